"""ZK090 to ZK096: the data of constants, inline and in files."""

from zkrun.analysis.rules.rule import Rule

WRONG_SHAPE = Rule(
    "ZK090",
    "data does not have the shape of its type",
    "constants",
    "`values` has as many elements as its type, each written as the format says: a number or its "
    "text for a scalar, [x, y] or null for a point of G1, [[x0, x1], [y0, y1]] or null for one of "
    "G2. `bytes` and `nbytes` are exactly the bytes of the type.",
)
NOT_CANONICAL = Rule(
    "ZK091",
    "number not below the modulus",
    "constants",
    "Scalars lie below the order r of the groups, coordinates below the base field's modulus q. "
    "Numbers are never reduced silently: a value that is too large is nearly always the wrong "
    "curve, the wrong byte order or the wrong encoding. This holds for `values` and for inline "
    "`bytes`, in Montgomery form as well.",
)
NOT_A_POINT = Rule(
    "ZK092",
    "not a point of the group",
    "constants",
    "Points lie on the curve (G2: on its twist) and in the subgroup of order r. A point outside "
    "of it makes proofs wrong, or leaks. Infinity is written as null, or as all zero bytes.",
)
NO_FILE = Rule(
    "ZK093",
    "file of a constant cannot be read",
    "constants",
    "The file must exist beside the program and be a regular file that may be read.",
)
FILE_OUTSIDE = Rule(
    "ZK094",
    "file leaves the program's folder",
    "constants",
    "A program may read only what lies in its own folder: no absolute path, and no `..` and no "
    "symbolic link that leads out of it (inside of it, both may stand). For a program on standard "
    "input it is the working directory.",
)
FILE_TOO_SHORT = Rule(
    "ZK095",
    "range lies outside the file",
    "constants",
    "`offset` + `nbytes` must not be more than the size of the file.",
)
WRONG_DIGEST = Rule(
    "ZK096",
    "file differs from its sha256",
    "constants",
    "The SHA-256 of the `nbytes` from `offset` is not the one that the program states. The file "
    "is not the one that the program was made for, or is damaged.",
)
TOO_MANY_POINTS = Rule(
    "ZK097",
    "more points in the document than are checked",
    "constants",
    "Whether a point lies in the subgroup of order r takes some hundred microseconds where the "
    "group has a cofactor (all but G1 of BN254), so the document itself holds at most some forty "
    "thousand of such points. More belong into files beside the program, whose contents are "
    "trusted or compared with a sha256.",
)

RULES = (
    WRONG_SHAPE,
    NOT_CANONICAL,
    NOT_A_POINT,
    NO_FILE,
    FILE_OUTSIDE,
    FILE_TOO_SHORT,
    WRONG_DIGEST,
    TOO_MANY_POINTS,
)
