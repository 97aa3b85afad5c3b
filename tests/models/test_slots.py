"""Limits of what clients hold at the same time."""

from __future__ import annotations

import pytest

from models.slots import Exceeded, Slots


def test_each_client_and_all_together_are_limited() -> None:
    slots = Slots(("OWN", 2), ("TOTAL", 3))
    with slots.hold("ann", 2):
        assert slots.exceeded("ann") == Exceeded("OWN", 2, 2, own=True)
        assert (slots["ann"], slots.clients, slots.full_clients) == (2, ["ann"], ["ann"])
        assert slots.exceeded("bob") is None
        slots.take("bob")
        for client in ("ann", "bob", "eve"):
            assert slots.exceeded(client) == Exceeded("TOTAL", 3, 3, own=False)
    assert slots.exceeded("ann", 3) == Exceeded("TOTAL", 3, 1, own=False)
    slots.free("bob")
    assert (slots.clients, slots.exceeded("ann", 2)) == ([], None)
    assert slots.exceeded("ann", 3) == Exceeded("OWN", 2, 0, own=True)


def test_a_block_that_fails_holds_nothing_afterwards() -> None:
    slots = Slots(("OWN", 1))
    with pytest.raises(ValueError, match="broken"), slots.hold("ann"):
        raise ValueError("broken")
    assert (slots["ann"], slots.clients) == (0, [])


def test_a_client_without_a_name_has_no_limit_of_its_own() -> None:
    slots = Slots(("OWN", 1), ("TOTAL", 2))
    slots.take("")
    assert slots.exceeded("") is None
    slots.take("")
    assert slots.exceeded("") == Exceeded("TOTAL", 2, 2, own=False)
