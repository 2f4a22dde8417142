"""Encrypted values: readable with the right key only, noticed when touched, readable after keys were rotated."""

import base64

import pytest
from cryptography.exceptions import InvalidTag
from django.test.utils import override_settings

from doorstep.kernel.common.vault import Sealed, blind_index, mask, seal, unseal

OLD, NEW = (base64.b64encode(bytes([number]) * 32).decode() for number in (1, 2))
CONTEXT = "people_person.phone"


def test_a_sealed_value_is_read_back_and_never_stored_twice_the_same():
    first, second = seal("13807311234", CONTEXT), seal("13807311234", CONTEXT)
    assert unseal(first, CONTEXT) == unseal(second, CONTEXT) == "13807311234"
    assert first != second
    assert b"13807311234" not in first


@pytest.mark.parametrize("place", [1, 12, 13, 20, -1])
def test_a_changed_byte_is_noticed(place: int):
    stored = bytearray(seal("13807311234", CONTEXT))
    stored[place] ^= 1
    with pytest.raises(InvalidTag):
        unseal(bytes(stored), CONTEXT)


def test_a_value_moved_to_another_column_is_noticed():
    with pytest.raises(InvalidTag):
        unseal(seal("13807311234", CONTEXT), "people_person.identity_number")


def test_after_rotation_old_values_are_read_and_new_ones_use_the_new_key():
    with override_settings(FIELD_KEYS=[OLD]):
        old = seal("13807311234", CONTEXT)
    with override_settings(FIELD_KEYS=[NEW, OLD]):
        assert unseal(old, CONTEXT) == "13807311234"
        new = seal("13900000000", CONTEXT)
        assert (old[0], new[0]) == (0, 1)
    with override_settings(FIELD_KEYS=[OLD]), pytest.raises((InvalidTag, IndexError)):
        unseal(new, CONTEXT)


def test_a_wrong_key_reads_nothing():
    with override_settings(FIELD_KEYS=[OLD]):
        stored = seal("13807311234", CONTEXT)
    with override_settings(FIELD_KEYS=[NEW]), pytest.raises(InvalidTag):
        unseal(stored, CONTEXT)


def test_the_blind_index_depends_on_value_purpose_and_key():
    assert blind_index("phone", "13807311234") == blind_index("phone", "13807311234")
    assert blind_index("phone", "13807311234") != blind_index("phone", "13807311235")
    assert blind_index("phone", "13807311234") != blind_index("identity", "13807311234")
    with override_settings(INDEX_KEY=NEW):
        other = blind_index("phone", "13807311234")
    assert other != blind_index("phone", "13807311234")


def test_printing_a_sealed_value_shows_the_mask():
    value = Sealed(seal("430211199003071012", CONTEXT), CONTEXT, 4, 4)
    assert str(value) == "4302**********1012"
    assert repr(value) == "Sealed(4302**********1012)"
    assert f"{value}" == "4302**********1012"
    assert value.reveal() == "430211199003071012"


def test_a_text_too_short_to_be_masked_is_hidden_wholly():
    assert mask("1234567", 3, 4) == "*******"
    assert mask("凌涛", 1, 0) == "凌*"
