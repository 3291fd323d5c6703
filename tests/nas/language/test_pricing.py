"""Prices against counts made by hand."""

import dataclasses
import time

import pytest
from graphs import Sketch, book_network, tower, unet

from nas.language.pricing import Cost, Row, itemize, price


def test_the_books_network_by_hand():
    cost = price(book_network())
    assert cost.params == 1_106_755  # the book's model.summary()
    # multiply-adds of the nine convolutions: output (transposed: input) positions x kernel x channels in x channels out
    macs = 40 * 40 * 9 * 1 * 32 + 20 * 20 * 9 * 32 * 64 + 10 * 10 * 9 * 64 * 128 + 5 * 5 * 1 * 128 * 256
    macs += (
        5 * 5 * 9 * 256 * 256 + 10 * 10 * 9 * 256 * 128 + 20 * 20 * 9 * 128 * 64 + 40 * 40 * 9 * 64 * 32 + 80 * 80 * 9 * 32 * 3
    )
    assert cost.macs == macs
    assert cost.flops == pytest.approx(251.0e6, rel=0.005)  # with activations, which the profiler counts otherwise
    assert cost.parameter_bytes == 4 * 1_106_755
    # The last ReLU reads and writes 80x80x32 floats
    assert cost.peak_activation_bytes == 2 * 80 * 80 * 32 * 4 == 1.5625 * 2**20


def test_a_skip_stays_in_memory_until_it_is_merged():
    net = Sketch()
    x = net.input(8, 8, 4)  # 256 elements
    skip = net.conv(x, 4)  # 256
    deep = net.conv(skip, 16, strides=2)  # 256
    deep = net.conv(deep, 16)  # 256, while skip (256) and its input (256) live: 768
    up = net.transpose(deep, 2)  # 128, with deep and skip: 640
    network = net.graph(net.concat(up, skip))  # 384, with up and skip: 768
    assert price(network).peak_activation_bytes == 4 * 768


def test_the_input_lives_until_its_last_reader():
    net = Sketch()
    x = net.input(4, 4, 1)  # 16 elements
    a = net.conv(x, 2)  # 32
    b = net.conv(a, 3)  # 48: with x and a 96
    network = net.graph(net.concat(b, x))  # 64: with b and x 128
    assert price(network).peak_activation_bytes == 4 * 128


def test_outputs_live_to_the_end():
    net = Sketch()
    x = net.input(4, 4, 1)
    early = net.conv(x, 8)  # 128, an output
    late = net.conv(net.conv(x, 1), 1)  # 16 and 16
    assert price(net.graph(early, late)).peak_activation_bytes == 4 * (128 + 16 + 16)
    assert price(net.graph(early, late, early)) == price(net.graph(early, late))


def test_a_node_that_reads_one_tensor_twice_frees_it_once():
    net = Sketch()
    x = net.input(4, 4, 1)
    double = net.sum(x, x)
    assert price(net.graph(net.conv(double, 1))).peak_activation_bytes == 4 * 32


def test_an_input_can_be_the_output_and_an_input_can_be_unused():
    net = Sketch()
    a, b = net.input(4, 4, 1, name="a"), net.input(4, 4, 2, name="b")
    assert price(net.graph(a)) == Cost(0, 0, 0, 0, 4 * 48)
    assert price(net.graph(net.conv(b, 1))).peak_activation_bytes == 4 * (32 + 16)


def test_a_dead_node_is_executed_and_let_go():
    net = Sketch()
    x = net.input(4, 4, 1)
    net.conv(x, 10)
    assert price(net.graph(net.conv(net.conv(x, 1), 1))).peak_activation_bytes == 4 * (16 + 160)


def test_items_sum_to_the_price():
    network = unet()
    rows, cost = itemize(network), price(network)
    assert len(rows) == len(network)
    assert [sum(getattr(row, column) for row in rows) for column in ("macs", "flops", "params")] == [
        cost.macs,
        cost.flops,
        cost.params,
    ]
    assert rows[0] == Row("image", "Input", (64, 64, 1), 0, 0, 0)
    assert rows[1] == Row("enc0.conv0", "Conv2D", (64, 64, 16), 64 * 64 * 9 * 16, 2 * 64 * 64 * 9 * 16 + 64 * 64 * 16, 160)


def test_a_price_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        price(book_network()).flops = 0


def test_is_fast():
    network = tower(100)
    times = []
    for _ in range(50):
        start = time.perf_counter()
        price(network)
        times.append(time.perf_counter() - start)
    assert min(times) < 0.3e-3
