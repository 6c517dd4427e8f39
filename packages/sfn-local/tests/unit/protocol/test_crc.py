"""Cyclic redundancy checks against zlib, their own catalogue's values, and division bit by bit."""

import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sfn_local.protocol.crc import CODES, CyclicChecksum


def divided(text: bytes, bits: int, polynomial: int) -> int:
    register = ones = (1 << bits) - 1
    for byte in text:
        register ^= byte
        for _ in range(8):
            register = register >> 1 ^ (polynomial if register & 1 else 0)
    return register ^ ones


# Source: the catalogue of parametrised CRC algorithms, "check" of CRC-32/ISCSI and CRC-64/NVME; RFC 3720, appendix B.4.
@pytest.mark.parametrize(
    ("name", "text", "code"),
    [
        ("CRC32", b"123456789", 0xCBF43926),
        ("CRC32C", b"123456789", 0xE3069283),
        ("CRC32C", bytes(32), 0x8A9136AA),
        ("CRC32C", b"\xff" * 32, 0x62A8AB43),
        ("CRC64NVME", b"123456789", 0xAE8B14860A799888),
        ("CRC64NVME", b"", 0),
    ],
)
def test_check_of_a_known_text(name: str, text: bytes, code: int) -> None:
    assert CODES[name].extend(0, text) == code


@pytest.mark.parametrize(
    ("name", "bits", "polynomial"),
    [("CRC32", 32, 0xEDB88320), ("CRC32C", 32, 0x82F63B78), ("CRC64NVME", 64, 0x9A6C9329AC4BC9B5)],
)
@pytest.mark.parametrize("size", [1, 7, 255, 256, 257, 258, 263, 511, 512, 1_000, 4_099, 65_537])
def test_check_is_the_remainder_of_the_division(name: str, bits: int, polynomial: int, size: int) -> None:
    text = bytes(position * position % 251 for position in range(size))
    assert CODES[name].extend(0, text) == divided(text, bits, polynomial)


@given(st.binary(max_size=3_000), st.binary(max_size=3_000), st.sampled_from(sorted(CODES)))
def test_checks_of_two_texts_join(first: bytes, second: bytes, name: str) -> None:
    code = CODES[name]
    whole = code.extend(0, first + second)
    assert code.extend(code.extend(0, first), second) == whole
    assert code.join(code.extend(0, first), code.extend(0, second), len(second)) == whole
    assert name != "CRC32" or whole == zlib.crc32(first + second)


def test_checksum_is_written_with_all_its_bytes() -> None:
    checksum = CyclicChecksum(CODES["CRC64NVME"])
    assert checksum.digest() == bytes(8)
    checksum.update(b"1234")
    checksum.update(b"56789")
    assert checksum.b64digest() == "rosUhgp5mIg="
