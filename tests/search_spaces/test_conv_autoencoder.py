"""The convolutional autoencoders around the one of the Keras Blog."""

from encdec_checks import build_and_compare, check_space, layers

from search_spaces.conv_autoencoder import conv_autoencoder, make_conv_autoencoder


def test_space():
    check_space(conv_autoencoder, size=74_394_397_597_847_040)
    assert conv_autoencoder.output_shape == (28, 28, 1)
    assert conv_autoencoder.takes_size((60, 28))


def test_the_blog_network_has_its_parameters():
    blog = conv_autoencoder.baselines["keras_blog"]
    assert blog.cost().params == 160 + 1160 + 584 + 584 + 584 + 1168 + 145 == 4385
    assert layers(blog, "Conv2D", "MaxPooling2D", "UpSampling2D") == (
        ["Conv2D", "MaxPooling2D"] * 3 + ["Conv2D", "UpSampling2D"] * 3 + ["Conv2D"]
    )
    code = [node for node in blog.network.nodes.values() if node.call and node.call.layer == "MaxPooling2D"][-1]
    assert code.shape == (4, 4, 8)
    build_and_compare(blog)


def test_color_images():
    photos = make_conv_autoencoder(input=(30, 45, 3), widths=((16, 32), (32,)), code=(4,))
    assert photos.output_shape == (30, 45, 3)
    assert photos.doubts == ()
