"""The schema of .tflite files: models as objects, unpacked without their large buffers."""

from functools import cache

from export.errors import ArtifactError
from export.lazy import need

MAGIC = b"TFL3"
OUTSIDE = 2  # buffers whose offset is at least this lie behind the flatbuffer


@cache
def schema():
    """The module of LiteRT's generated classes."""
    return need("ai_edge_litert.schema_py_generated", to="LiteRT's flatbuffers")


@cache
def _names() -> dict[int, str]:
    numbers = vars(schema().BuiltinOperator).items()
    return {number: name for name, number in numbers if not name.startswith("_")}


def operation(model, operator) -> str:
    """The name of what an operator of `model` does; empty for a number that nothing has."""
    code = model.operatorCodes[operator.opcodeIndex]
    return _names().get(max(code.builtinCode, code.deprecatedBuiltinCode), "")


def number_of(model, name: str) -> int:
    """The place of an operation in the list of those that `model` uses; added where it is not."""
    kinds, number = schema(), getattr(schema().BuiltinOperator, name)
    for at, code in enumerate(model.operatorCodes):
        if max(code.builtinCode, code.deprecatedBuiltinCode) == number:
            return at
    code = kinds.OperatorCodeT()
    code.builtinCode, code.deprecatedBuiltinCode, code.version = number, min(number, 127), 1
    model.operatorCodes.append(code)
    return len(model.operatorCodes) - 1


def unpacked(content: bytes):
    """The model in a flatbuffer, without what lies behind it.

    Raises ArtifactError where it is none.
    """
    if content[4:8] != MAGIC:
        raise ArtifactError("no flatbuffer of LiteRT's")
    return schema().ModelT.InitFromPackedBuf(content, 0)


def packed(model) -> bytes:
    """The flatbuffer of a model."""
    from export.formats.litert.sharing import Builder, shared

    builder = Builder()
    builder.Finish(shared(model).Pack(builder), MAGIC)
    return bytes(builder.Output())


def text(name) -> str:
    """A name of a model, which is bytes when it was read."""
    return name.decode("utf-8", "replace") if isinstance(name, bytes) else (name or "")
