"""Reads the pickles of weight files without running anything.

A pickle is a program: it may import any function and call it. This interpreter looks up nothing and
calls nothing. What the pickle names becomes a `Function`, two texts; what it would make becomes a
`Call`, a record. Readers know a dozen records that are tensors or dictionaries, and leave all
others alone: a training script keeps its arguments and its optimizer beside the weights. Long
strings stay in the file, as `Span`s.
"""

import struct
from dataclasses import dataclass, field
from pickletools import opcodes
from typing import BinaryIO

from keras_nets.errors import WeightsError

MAX_STEPS = 200_000  # a network needs some 20,000; bounds time, and memory beside the file's own
LONGEST_NAME = 1024  # bytes; longer strings are values, and stay in the file
MARK = object()
NAMES = {opcode.code.encode("latin-1"): opcode.name for opcode in opcodes}
# Naming these tells of an attack, or of no weights at all. They would be as harmless here as any
# other name; who was sent such a file should know.
SUSPICIOUS = frozenset(
    f"{module}.{name}"
    for modules, names in (
        (("builtins", "__builtin__"),
         ("__import__", "apply", "breakpoint", "compile", "delattr", "eval", "exec", "execfile",
          "globals", "input", "locals", "open", "setattr", "vars")),
        (("io", "_io"), ("open", "open_code", "FileIO")),
        (("pickle", "_pickle", "marshal"), ("load", "loads")),
    )
    for module in modules
    for name in names
)  # fmt: skip
SUSPICIOUS_MODULES = frozenset(
    ("_posixsubprocess", "ctypes", "importlib", "nt", "os", "posix", "pty", "runpy", "shutil",
     "socket", "subprocess", "sys", "webbrowser")
)  # fmt: skip
UNNAMED = "the result of another call"
# Protocol 2 names a class in a class so, and every protocol a method of an object.
ATTRIBUTE = ("builtins.getattr", "__builtin__.getattr")


@dataclass(frozen=True)
class Function:
    """A function or class that a pickle names. It is not looked up."""

    module: str
    name: str

    def __str__(self):
        return f"{self.module}.{self.name}"


@dataclass(eq=False)
class Call:
    """A call that was not made, and what the pickle would have put into its result."""

    function: Function
    arguments: tuple
    state: object = None
    items: dict = field(default_factory=dict)


@dataclass(frozen=True)
class Reference:
    """A persistent id: for torch, a storage elsewhere in the file."""

    id: object


@dataclass(frozen=True)
class Span:
    """A long string that was left in the file.

    `utf8` marks bytes that were pickled as Latin-1 text: protocol 2 has no bytes.
    """

    offset: int
    length: int
    text: bool = False
    utf8: bool = False


def read_pickle(file: BinaryIO, size: int, references: list | None = None):
    """Return what the pickle at the file's position holds; leave the file behind its end.

    `size` is the file's; every Reference is also appended to `references`. Raises WeightsError for
    a name that only an attack needs, ValueError and its like for bytes that are no such pickle.
    """
    machine = _Machine(file, size, [] if references is None else references)
    for _ in range(MAX_STEPS):
        code = machine.take(1)
        name = NAMES.get(code)
        if name == "STOP":
            return machine.pop()
        step = STEPS.get(name)
        if step is None:
            raise WeightsError(f"its pickle uses opcode {code!r}, which no weights need")
        step(machine)
    raise WeightsError(f"its pickle takes more than {MAX_STEPS:_} steps, which no weights need")


class _Machine:
    """The stack and the memo of one pickle, and what its opcodes do to them."""

    def __init__(self, file: BinaryIO, size: int, references: list):
        self.file, self.size = file, size
        self.references, self.stack, self.memo = references, [], {}

    def take(self, count: int) -> bytes:
        data = self.file.read(count)
        if len(data) < count:
            raise EOFError("it ends early; fetch it again")
        return data

    def number(self, layout: str) -> int:
        return struct.unpack("<" + layout, self.take(struct.calcsize("<" + layout)))[0]

    def pop(self):
        value = self.stack.pop()
        if value is MARK:
            raise ValueError("a mark where a value belongs")
        return value

    def since_mark(self) -> list:
        values = []
        while (value := self.stack.pop()) is not MARK:
            values.append(value)
        return values[::-1]

    def string(self, layout: str, encoding: str | None) -> None:
        """Push a string whose length comes first: bytes where `encoding` is None."""
        length, offset = self.number(layout), self.file.tell()
        if not 0 <= length <= self.size - offset:
            raise EOFError("it ends early; fetch it again")
        if length > LONGEST_NAME:
            self.file.seek(length, 1)
            self.stack.append(Span(offset, length, text=encoding == "utf-8"))
            return
        data = self.take(length)
        self.stack.append(data.decode(encoding) if encoding else data)

    def long(self) -> None:
        self.stack.append(int.from_bytes(self.take(self.number("B")), "little", signed=True))

    def fold(self, count: int) -> None:
        """Push the last `count` values as a tuple."""
        self.stack.append(tuple([self.pop() for _ in range(count)][::-1]))

    def line(self) -> str:
        data = self.file.readline(LONGEST_NAME)
        if not data.endswith(b"\n"):
            raise EOFError("it ends early; fetch it again")
        return data[:-1].decode()

    def function(self, module, name) -> None:
        function = Function(module, name)
        if str(function) in SUSPICIOUS or module.partition(".")[0] in SUSPICIOUS_MODULES:
            raise _suspicious(function)
        self.stack.append(function)

    def attribute(self, function: Function, arguments: tuple) -> None:
        """Push an attribute of a class or an object; only an attack would ask for any other."""
        owner, name = arguments if len(arguments) == 2 else (None, None)
        plain = isinstance(name, str) and name.isidentifier() and not name.startswith("__")
        if isinstance(owner, Function) and plain and len(owner.name) < LONGEST_NAME:
            self.function(owner.module, f"{owner.name}.{name}")
        elif isinstance(owner, Call) and plain:
            self.function("", UNNAMED)
        else:
            raise _suspicious(function)

    def named_function(self) -> None:
        name, module = self.pop(), self.pop()
        if not (isinstance(module, str) and isinstance(name, str)):
            raise ValueError("a function whose name is no text")
        self.function(module, name)

    def call(self) -> None:
        """Record a call, or an object that is made of a class and its arguments."""
        arguments, function = self.pop(), self.pop()
        if isinstance(function, Call):
            function = Function("", UNNAMED)
        if not (isinstance(function, Function) and isinstance(arguments, tuple)):
            raise ValueError("a call of what is no function")
        if str(function) == "_codecs.encode":
            self.stack.append(_latin1(*arguments))
        elif str(function) in ATTRIBUTE:
            self.attribute(function, arguments)
        else:
            self.stack.append(Call(function, arguments))

    def call_by_keyword(self) -> None:
        self.pop()
        self.call()

    def build(self) -> None:
        state, target = self.pop(), self.stack[-1]
        if not isinstance(target, Call):
            raise ValueError("a state for what takes none")
        target.state = state

    def refer(self) -> None:
        self.stack.append(Reference(self.pop()))
        self.references.append(self.stack[-1])

    def put(self, index: int) -> None:
        self.memo[index] = self.stack[-1]

    def set_items(self, flat: list) -> None:
        """Keep the items whose keys are names or numbers: a weight has a name."""
        target = self.stack[-1]
        items = target.items if isinstance(target, Call) else target
        if not isinstance(items, dict) or len(flat) % 2:
            raise ValueError("items for what is no dictionary")
        for key, value in zip(flat[::2], flat[1::2], strict=True):
            if isinstance(key, (str, int)):
                items[key] = value

    def extend(self, values: list) -> None:
        target = self.stack[-1]
        if isinstance(target, list):
            target.extend(values)
        elif not isinstance(target, Call):  # those of a list that a class stands for hold no weight
            raise ValueError("values for what is no list")


def _suspicious(function: Function) -> WeightsError:
    return WeightsError(
        f"its pickle asks for {str(function)[:200]!r}, which no weights need; nothing of it was"
        " run, do not trust this file"
    )


def check_key(key):
    """Return `key`; raise ValueError unless it is a name or a number.

    Other keys are not even hashed, because that may overflow the stack for nested tuples.
    """
    if not isinstance(key, (str, int)):
        raise ValueError("a key that is no name")
    return key


def _latin1(text, encoding):
    """Return the bytes that Python wrote as text, because protocol 2 has none."""
    if encoding not in ("latin1", "latin-1"):
        # Not named: a tuple of itself a few dozen times over takes for ever to print.
        raise ValueError("bytes that are written as other text than Latin-1")
    if isinstance(text, Span) and text.text:
        return Span(text.offset, text.length, utf8=True)
    return text.encode("latin-1")


STEPS = {  # by the opcode's name
    "PROTO": lambda m: m.take(1),
    "FRAME": lambda m: m.take(8),  # a hint for unpicklers that read ahead
    "MARK": lambda m: m.stack.append(MARK),
    "NONE": lambda m: m.stack.append(None),
    "NEWTRUE": lambda m: m.stack.append(True),
    "NEWFALSE": lambda m: m.stack.append(False),
    "BININT": lambda m: m.stack.append(m.number("i")),
    "BININT1": lambda m: m.stack.append(m.number("B")),
    "BININT2": lambda m: m.stack.append(m.number("H")),
    "LONG1": _Machine.long,
    "LONG4": lambda m: m.string("i", None),  # whatever has such a number is no weight
    "BINFLOAT": lambda m: m.stack.append(struct.unpack(">d", m.take(8))[0]),
    # Strings of Python 2 are Latin-1 here, as paddle and torch read them.
    "SHORT_BINSTRING": lambda m: m.string("B", "latin-1"),
    "BINSTRING": lambda m: m.string("i", "latin-1"),
    "SHORT_BINBYTES": lambda m: m.string("B", None),
    "BINBYTES": lambda m: m.string("I", None),
    "BINBYTES8": lambda m: m.string("Q", None),
    "SHORT_BINUNICODE": lambda m: m.string("B", "utf-8"),
    "BINUNICODE": lambda m: m.string("I", "utf-8"),
    "BINUNICODE8": lambda m: m.string("Q", "utf-8"),
    "POP": lambda m: m.stack.pop(),  # of a tuple that holds itself
    "POP_MARK": lambda m: m.since_mark(),
    "EMPTY_TUPLE": lambda m: m.stack.append(()),
    "TUPLE": lambda m: m.stack.append(tuple(m.since_mark())),
    "TUPLE1": lambda m: m.fold(1),
    "TUPLE2": lambda m: m.fold(2),
    "TUPLE3": lambda m: m.fold(3),
    "EMPTY_LIST": lambda m: m.stack.append([]),
    "EMPTY_SET": lambda m: m.stack.append([]),  # its values are not even hashed
    "ADDITEMS": lambda m: m.extend(m.since_mark()),
    "FROZENSET": lambda m: m.stack.append(m.since_mark()),
    "APPEND": lambda m: m.extend([m.pop()]),
    "APPENDS": lambda m: m.extend(m.since_mark()),
    "EMPTY_DICT": lambda m: m.stack.append({}),
    "SETITEM": lambda m: m.set_items([m.pop(), m.pop()][::-1]),
    "SETITEMS": lambda m: m.set_items(m.since_mark()),
    "GLOBAL": lambda m: m.function(m.line(), m.line()),
    "STACK_GLOBAL": _Machine.named_function,
    "REDUCE": _Machine.call,
    "NEWOBJ": _Machine.call,
    "NEWOBJ_EX": _Machine.call_by_keyword,
    "BUILD": _Machine.build,
    "BINPUT": lambda m: m.put(m.number("B")),
    "LONG_BINPUT": lambda m: m.put(m.number("I")),
    "MEMOIZE": lambda m: m.put(len(m.memo)),
    "BINGET": lambda m: m.stack.append(m.memo[m.number("B")]),
    "LONG_BINGET": lambda m: m.stack.append(m.memo[m.number("I")]),
    "BINPERSID": _Machine.refer,
}
