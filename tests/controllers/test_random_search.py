from controller_fakes import TWENTY_FOUR, make, trial


def test_the_order_does_not_depend_on_results():
    told, untold = make("random", TWENTY_FOUR), make("random", TWENTY_FOUR)
    expected = [a.index for a in untold.ask(24)]
    found = []
    for i in range(24):
        found += told.ask(1)
        told.tell([trial(found[-1], i)])
    assert [a.index for a in found] == expected
    assert sorted(expected) == list(range(24))
