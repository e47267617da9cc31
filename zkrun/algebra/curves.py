"""The curves zkrun computes on: one record each, and nothing about a curve anywhere else.

Values are plain integers (canonical, never Montgomery). ``curves_header.py`` derives the C++
constants from these records, and whatever follows from another number here is a property.

Sources: BN254 is alt_bn128 of EIP-196/197; BLS12-381 is draft-irtf-cfrg-pairing-friendly-curves.
"""

from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

Fp2Element = tuple[int, int]
"""c0 + c1·u with u² = −1."""


@dataclass(frozen=True, slots=True)
class Field:
    """A prime field, with the element whose powers give the roots of unity."""

    modulus: int
    generator: int

    @property
    def limbs(self) -> int:
        """64-bit limbs of an element in memory."""
        return (self.modulus.bit_length() + 63) // 64

    @property
    def bytes(self) -> int:
        """Bytes of an element in memory."""
        return 8 * self.limbs

    @property
    def montgomery_radix(self) -> int:
        """R: an element a lies in memory as a·R mod p."""
        return 1 << (64 * self.limbs)

    @property
    def two_adicity(self) -> int:
        """The largest s such that 2^s divides p − 1."""
        group_order = self.modulus - 1
        return (group_order & -group_order).bit_length() - 1

    @property
    def root_of_unity(self) -> int:
        """w = generator^((p−1)/2^s), a primitive 2^s-th root of unity."""
        return pow(self.generator, (self.modulus - 1) >> self.two_adicity, self.modulus)


@dataclass(frozen=True, slots=True)
class Curve:
    """A pairing-friendly curve y² = x³ + b over Fq, and its sextic twist over Fq[u]/(u² + 1).

    ``x`` is the parameter of the BN or BLS family from which q and r follow. The twist is
    y² = x³ + b2, where b2 is b/ξ (a D-twist) or b·ξ (an M-twist). ``beta`` and ``lambda_`` are
    the endomorphism of G1: λ·(x, y) = (βx, y) on points of order r.
    """

    name: str
    x: int
    scalar: Field
    base: Field
    b: int
    b2: Fp2Element
    xi: Fp2Element
    twist: Literal["D", "M"]
    g1: tuple[int, int]
    g2: tuple[Fp2Element, Fp2Element]
    g1_cofactor: int
    g2_cofactor: int
    beta: int
    lambda_: int

    @property
    def r(self) -> int:
        """The order of G1 and G2: the modulus of the scalar field."""
        return self.scalar.modulus

    @property
    def q(self) -> int:
        """The modulus of the base field."""
        return self.base.modulus


BN254 = Curve(
    name="bn254",
    x=0x44E992B44A6909F1,
    scalar=Field(
        modulus=0x30644E72E131A029B85045B68181585D2833E84879B9709143E1F593F0000001,
        generator=5,
    ),
    base=Field(
        modulus=0x30644E72E131A029B85045B68181585D97816A916871CA8D3C208C16D87CFD47,
        generator=3,
    ),
    b=3,
    b2=(
        0x2B149D40CEB8AAAE81BE18991BE06AC3B5B4C5E559DBEFA33267E6DC24A138E5,
        0x009713B03AF0FED4CD2CAFADEED8FDF4A74FA084E52D1852E4A2BD0685C315D2,
    ),
    xi=(9, 1),
    twist="D",
    g1=(1, 2),
    g2=(
        (
            0x1800DEEF121F1E76426A00665E5C4479674322D4F75EDADD46DEBD5CD992F6ED,
            0x198E9393920D483A7260BFB731FB5D25F1AA493335A9E71297E485B7AEF312C2,
        ),
        (
            0x12C85EA5DB8C6DEB4AAB71808DCB408FE3D1E7690C43D37B4CE6CC0166FA7DAA,
            0x090689D0585FF075EC9E99AD690C3395BC4B313370B38EF355ACDADCD122975B,
        ),
    ),
    g1_cofactor=1,
    g2_cofactor=0x30644E72E131A029B85045B68181585E06CEECDA572A2489345F2299C0F9FA8D,
    beta=0x59E26BCEA0D48BACD4F263F1ACDB5C4F5763473177FFFFFE,
    lambda_=0xB3C4D79D41A917585BFC41088D8DAAA78B17EA66B99C90DD,
)

BLS12_381 = Curve(
    name="bls12_381",
    x=-0xD201000000010000,
    scalar=Field(
        modulus=0x73EDA753299D7D483339D80809A1D80553BDA402FFFE5BFEFFFFFFFF00000001,
        generator=7,
    ),
    base=Field(
        modulus=int(
            "1a0111ea397fe69a4b1ba7b6434bacd764774b84f38512bf"
            "6730d2a0f6b0f6241eabfffeb153ffffb9feffffffffaaab",
            16,
        ),
        generator=2,
    ),
    b=4,
    b2=(4, 4),
    xi=(1, 1),
    twist="M",
    g1=(
        int(
            "17f1d3a73197d7942695638c4fa9ac0fc3688c4f9774b905"
            "a14e3a3f171bac586c55e83ff97a1aeffb3af00adb22c6bb",
            16,
        ),
        int(
            "08b3f481e3aaa0f1a09e30ed741d8ae4fcf5e095d5d00af6"
            "00db18cb2c04b3edd03cc744a2888ae40caa232946c5e7e1",
            16,
        ),
    ),
    g2=(
        (
            int(
                "024aa2b2f08f0a91260805272dc51051c6e47ad4fa403b02"
                "b4510b647ae3d1770bac0326a805bbefd48056c8c121bdb8",
                16,
            ),
            int(
                "13e02b6052719f607dacd3a088274f65596bd0d09920b61a"
                "b5da61bbdc7f5049334cf11213945d57e5ac7d055d042b7e",
                16,
            ),
        ),
        (
            int(
                "0ce5d527727d6e118cc9cdc6da2e351aadfd9baa8cbdd3a7"
                "6d429a695160d12c923ac9cc3baca289e193548608b82801",
                16,
            ),
            int(
                "0606c4a02ea734cc32acd2b02bc28b99cb3e287e85a763af"
                "267492ab572e99ab3f370d275cec1da1aaa9075ff05f79be",
                16,
            ),
        ),
    ),
    g1_cofactor=0x396C8C005555E1568C00AAAB0000AAAB,
    g2_cofactor=int(
        "5d543a95414e7f1091d50792876a202cd91de4547085abaa68a205b2e5a7ddfa"
        "628f1cb4d9e82ef21537e293a6691ae1616ec6e786f0c70cf1c38e31c7238e5",
        16,
    ),
    beta=int(
        "1a0111ea397fe699ec02408663d4de85aa0d857d89759ad4"
        "897d29650fb85f9b409427eb4f49fffd8bfd00000000aaac",
        16,
    ),
    lambda_=0xAC45A4010001A40200000000FFFFFFFF,
)

CURVES: MappingProxyType[str, Curve] = MappingProxyType(
    {curve.name: curve for curve in (BN254, BLS12_381)}
)
