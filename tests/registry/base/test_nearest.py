"""Which name another was probably meant to be: a table of names that a fleet has, and of what callers dial."""

import pytest

from registry.base.nearest import Names

FLEET = [
    "acme-apac-support", "acme-emea-support", "appointments", "billing-agent", "desk", "front-desk", "globex-dispatch",
    "globex-night-dispatch", "globex-returns", "help-desk", "initech-sales", "line.north", "pharmacy", "returns",
    "sales-agent", "store-0116", "store-0118", "support", "umbrella_vip",
]  # fmt: skip


@pytest.mark.parametrize(
    ("dialled", "meant"),
    [
        # A letter wrong, missing, too many, exchanged with its neighbour; and what stands between the parts.
        ("suport", "support"),
        ("suppport", "support"),
        ("supprot", "support"),
        ("pharmcy", "pharmacy"),
        ("helpdesk", "help-desk"),
        ("Help.Desk", "help-desk"),
        ("help_dsek", "help-desk"),
        ("help-desk-2", "help-desk"),
        ("appointments2", "appointments"),
        ("line-north", "line.north"),
        ("store-116", "store-0116"),
        ("stroe-0116", "store-0116"),
        ("umbrella-vpi", "umbrella_vip"),
        # The part that differs is misspelt, or the part in common.
        ("globex-dispach", "globex-dispatch"),
        ("globexdispatch", "globex-dispatch"),
        ("globx-dispatch", "globex-dispatch"),
        ("globx-dispach", "globex-dispatch"),
        ("globex-nihgt-dispatch", "globex-night-dispatch"),
        ("acme-emae-support", "acme-emea-support"),
        ("sales-agnet", "sales-agent"),
        # The beginning of just one.
        ("sales", "sales-agent"),
        ("billing", "billing-agent"),
        # A prefix that many share says nothing, nor does an ending; neither does what is alike by chance.
        ("globex-vip", ""),
        ("globex", ""),
        ("globex-sales", ""),
        ("globex-agent", ""),
        ("initech-vip", ""),
        ("hooli-support", ""),
        ("acme-amer-support", ""),
        ("acme-latam-support", ""),
        ("marketing-agent", ""),
        ("help-line", ""),
        ("line.south", ""),
        ("refunds", ""),
        # Another number is another store, or another caller.
        ("store-0117", ""),
        ("store-119", ""),
        ("stroe-0117", ""),
        ("+15551234567", ""),
        ("fax", ""),
        ("", ""),
        ("-", ""),
    ],
)
def test_what_is_meant_is_told_by_the_part_that_differs(dialled: str, meant: str) -> None:
    assert Names(FLEET).nearest(dialled) == meant


def test_of_two_the_more_alike_is_the_nearest_and_order_says_nothing() -> None:
    known = ["helpdesk", "help-line", "desk", "sales", "saves"]
    for names in (known, known[::-1]):
        assert Names(names).nearest("helpdesk2") == "helpdesk"
        assert Names(names).nearest("slaes") == "sales"
        assert Names(names).nearest("saless") == "sales"
    assert Names([]).nearest("fax") == ""


def test_a_shared_prefix_is_no_likeness_among_thousands() -> None:
    names = Names([f"globex-international-{word}-{number}" for word in ("dispatch", "sales") for number in range(2500)])
    assert names.nearest("globex-international-vip") == ""
    assert names.nearest("globex-international-dispach-17") == "globex-international-dispatch-17"
    assert names.nearest("globex-international-dispatch-2500") == ""
