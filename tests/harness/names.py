"""Checks that all Calibre, Qt and Python names in a source existed in the oldest supported versions.

Works on the syntax tree only. What a name refers to is inferred from imports, annotations, constructor calls and a few
conventions (`new_api` is a Cache, `gui` the main window). Names that cannot be inferred are ignored.
"""

from __future__ import annotations

import ast
import io
import sys
import tokenize
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

REDUCE = 'python3 tools/reduce_names.py FULL_LIST.json'
QT = 'qt.core'
# Packages that are not checked: the plugin itself, a stub, and Calibre's SQLite module.
UNLISTED = ('calibre_plugins', 'calibre_builtins', 'apsw')
# Added to Qt's classes by calibre.gui2 since 6.0 (seen).
ADDED_BY_CALIBRE = {('QIcon', 'ic')}


@dataclass(frozen=True)
class Module:
    name: str


@dataclass(frozen=True)
class Class:
    """A class of Calibre, or of Qt (module qt.core, nested classes as Outer.Inner)."""

    module: str
    name: str

    def __str__(self) -> str:
        return f'{self.module}.{self.name}'


@dataclass(frozen=True)
class Instance:
    of: Class


@dataclass(frozen=True)
class Function:
    """A function with its argument names as in the list (`*args`, `**kwargs`), without a bound `self`."""

    name: str
    arguments: tuple[str, ...]


@dataclass(frozen=True)
class LocalClass:
    """A class in the checked source: the names that it sets, and its known bases."""

    own: frozenset[str]
    bases: tuple[Class, ...]
    all_known: bool


@dataclass(frozen=True)
class LocalInstance:
    of: LocalClass
    skip_own: bool = False


Ref = Module | Class | Instance | Function | LocalClass | LocalInstance

CACHE = Instance(Class('calibre.db.cache', 'Cache'))
# What these names refer to if there is no annotation.
CONVENTIONS: Mapping[str, Ref] = {
    'new_api': CACHE,
    'api': CACHE,
    'gui': Instance(Class('calibre.gui2.ui', 'Main')),
    'current_db': Instance(Class('calibre.db.legacy', 'LibraryDatabase')),
    'library_view': Instance(Class('calibre.gui2.library.views', 'BooksView')),
    # Only the first two arguments are the same in all versions.
    'get_icons': Function('get_icons', ('name_or_list_of_names', 'plugin_name')),
}
CONVENTION_MODULES = {ref.of.module for ref in CONVENTIONS.values() if isinstance(ref, Instance)}


class Names:
    """The list of names. See tools/reduce_names.py for its shape."""

    def __init__(self, data: Mapping[str, Any]) -> None:
        self.modules: Mapping[str, Mapping[str, Any]] = data['modules']
        self.qt_core = frozenset(data['qt_core'])
        self.qt_classes: Mapping[str, Mapping[str, Any]] = data['qt_classes']
        self.newer_modules = frozenset(data['newer_modules'])
        self.newer_names: Mapping[str, Sequence[str]] = data['newer_names']

    def lists(self, module: str) -> bool:
        """True if the module's names are known. Those of the standard library are, by the list of newer names."""
        return module == QT or module in self.modules or self.is_old_python(module)

    def is_old_python(self, module: str) -> bool:
        return module.partition('.')[0] in sys.stdlib_module_names and module not in self.newer_modules

    def knows(self, module: str) -> bool:
        """True if the module is listed, or a module in it."""
        return self.lists(module) or any(listed.startswith(f'{module}.') for listed in self.modules)

    def has(self, module: str, name: str) -> bool:
        if module == QT:
            return name in self.qt_core
        if self.is_old_python(module):
            return name not in self.newer_names.get(module, ()) and f'{module}.{name}' not in self.newer_modules
        if self.knows(f'{module}.{name}'):
            return True
        return name in self.modules.get(module, ())

    def ref(self, module: str, name: str) -> Ref | None:
        """What a name in a module refers to, None if the list does not say."""
        if module == QT:
            return Class(QT, name) if name in self.qt_classes else None
        if module in self.newer_modules or self.is_old_python(module):
            return None
        if self.knows(f'{module}.{name}'):
            return Module(f'{module}.{name}')
        entry = self.modules.get(module, {}).get(name)
        if isinstance(entry, list):
            return Function(f'{module}.{name}', tuple(entry))
        if isinstance(entry, dict):
            return Class(module, name)
        # A name that is imported there: use the definition if exactly one other module defines it.
        homes = [home for home, entries in self.modules.items() if isinstance(entries.get(name), (dict, list))]
        return self.ref(homes[0], name) if len(homes) == 1 and name in self.modules.get(module, ()) else None

    def class_entry(self, kind: Class) -> Mapping[str, Any] | None:
        if kind.module == QT:
            return self.qt_classes.get(kind.name)
        entry = self.modules.get(kind.module, {}).get(kind.name)
        return entry if isinstance(entry, dict) else None

    def bases(self, kind: Class) -> tuple[list[Class], bool]:
        """The direct bases in the list, and whether these are all."""
        known: list[Class] = []
        entry = self.class_entry(kind)
        names: Sequence[str] = entry['bases'] if entry is not None else ()
        for name in names:
            base = self.ref(QT if kind.module == QT else kind.module, name) or self.ref(QT, name)
            if isinstance(base, Class):
                known.append(base)
        return known, entry is not None and len(known) == len(names)

    def lineage(self, kind: Class) -> tuple[list[Class], bool]:
        """A class and all its known bases, and whether these are all."""
        found, complete = [kind], True
        for current in found:
            bases, all_known = self.bases(current)
            complete = complete and all_known
            found += [base for base in bases if base not in found]
        return found, complete

    def member(self, kind: Class, name: str) -> tuple[bool, Ref | None]:
        """True if the class or one of its bases has this member, and what it refers to, None if not known."""
        if (kind.name, name) in ADDED_BY_CALIBRE:
            return True, None
        for owner in self.lineage(kind)[0]:
            entry = self.class_entry(owner)
            if entry is None or name not in entry['members']:
                continue
            if owner.module == QT:
                nested = f'{owner.name}.{name}'
                return True, Class(QT, nested) if nested in self.qt_classes else None
            arguments = entry['members'][name]
            if arguments is None:
                return True, None
            return True, Function(f'{owner}.{name}', tuple(arguments))
        return False, None


def installed_has(kind: Class, name: str) -> bool:
    """True if the class has the member in the running Calibre."""
    try:
        found: Any = __import__(kind.module, fromlist=['x'])
        for part in kind.name.split('.'):
            found = getattr(found, part)
    except (ImportError, AttributeError):
        return False
    return hasattr(found, name)


def imported_modules(tree: ast.AST) -> set[str]:
    """The modules that a source imports, without the plugin's own. `from a import b` counts as `a`."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            found.add(node.module)
    return {name for name in found if name.partition('.')[0] not in UNLISTED and name != '__future__'}


def bound(function: Function) -> Function:
    """A method as it is called on an instance: without `self`."""
    drop = function.arguments[:1] in {('self',), ('cls',)}
    return Function(function.name, function.arguments[1:] if drop else function.arguments)


def is_type_checking(node: ast.If) -> bool:
    return 'TYPE_CHECKING' in ast.dump(node.test)


def survives_import_error(node: ast.Try) -> bool:
    """True if the `try` statement handles an ImportError, so that a missing name does no harm."""
    return any(handler.type is not None and 'ImportError' in ast.dump(handler.type) for handler in node.handlers)


def own_names(node: ast.ClassDef) -> frozenset[str]:
    """All names that a class sets: its methods, its class attributes, and attributes of `self`."""
    found: set[str] = set()
    for inner in ast.walk(node):
        if isinstance(inner, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            found.add(inner.name)
        elif isinstance(inner, ast.Name) and isinstance(inner.ctx, ast.Store):
            found.add(inner.id)
        elif isinstance(inner, ast.Attribute) and isinstance(inner.ctx, ast.Store):
            found.add(inner.attr)
    return frozenset(found)


class Checker(ast.NodeVisitor):
    """Collects `problems`: one sentence for every name that the oldest supported versions did not have."""

    def __init__(self, names: Names, file: str, installed: Callable[[Class, str], bool] = installed_has) -> None:
        self.names = names
        self.file = file
        self.installed = installed
        self.problems: list[str] = []
        self.scopes: list[dict[str, Ref | None]] = [{}]
        self.classes: list[LocalClass] = []
        self.attributes: list[dict[str, Ref | None]] = []
        self.silent = 0

    def complain(self, node: ast.AST, text: str) -> None:
        sentence = f'{self.file}:{getattr(node, "lineno", 0)}: {text}'
        if not self.silent and sentence not in self.problems:
            self.problems.append(sentence)

    def bind(self, name: str, ref: Ref | None) -> None:
        self.scopes[-1][name] = ref

    def module_is_listed(self, node: ast.AST, module: str) -> bool:
        if self.names.lists(module):
            return True
        if module.partition('.')[0] not in UNLISTED and module not in {'__future__', 'qt'}:
            self.complain(node, f'{module} is not in the list of names; if it existed then, run: {REDUCE}')
        return False

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            self.module_is_listed(node, alias.name)
            top = alias.name.partition('.')[0]
            self.bind(alias.asname or top, Module(alias.name if alias.asname else top))

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        module = node.module or ''
        known = not node.level and self.module_is_listed(node, module)
        for alias in node.names:
            if known and not self.names.has(module, alias.name):
                self.complain(node, f'{module} has no {alias.name}')
            self.bind(alias.asname or alias.name, self.names.ref(module, alias.name) if known else None)

    def visit_If(self, node: ast.If) -> None:
        if is_type_checking(node):
            self.silent += 1
            self.visit_all(node.body)
            self.silent -= 1
            self.visit_all(node.orelse)
        else:
            self.generic_visit(node)

    def visit_Try(self, node: ast.Try) -> None:
        forgiven = survives_import_error(node)
        self.silent += forgiven
        self.visit_all(node.body)
        self.silent -= forgiven
        self.visit_all([*node.handlers, *node.orelse, *node.finalbody])

    def visit_all(self, nodes: Sequence[ast.AST]) -> None:
        for node in nodes:
            self.visit(node)

    def annotated(self, annotation: ast.expr | None) -> Ref | None:
        """The instance that an annotation means: of X for `X`, `X | None` and 'X'."""
        if isinstance(annotation, ast.Constant) and isinstance(annotation.value, str):
            annotation = ast.parse(annotation.value, mode='eval').body
        if isinstance(annotation, ast.BinOp):
            return self.annotated(annotation.left) or self.annotated(annotation.right)
        if annotation is None:
            return None
        return instance_of(self.resolve(annotation))

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        self.bind(node.name, None)
        self.visit_all(node.decorator_list)
        arguments = node.args
        everything = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
        everything += [extra for extra in (arguments.vararg, arguments.kwarg) if extra]
        scope = {
            argument.arg: self.annotated(argument.annotation) or CONVENTIONS.get(argument.arg)
            for argument in everything
        }
        is_static = any('staticmethod' in ast.dump(decorator) for decorator in node.decorator_list)
        if self.classes and arguments.args and not is_static:
            scope[arguments.args[0].arg] = LocalInstance(self.classes[-1])
        self.visit_all([value for value in [*arguments.defaults, *arguments.kw_defaults] if value is not None])
        self.scopes.append(scope)
        self.visit_all(node.body)
        self.scopes.pop()

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> None:
        self.visit_FunctionDef(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self.visit_all([*node.decorator_list, *node.bases, *(keyword.value for keyword in node.keywords)])
        refs = [self.resolve(base) for base in node.bases]
        bases = tuple(ref for ref in refs if isinstance(ref, Class))
        local = LocalClass(own_names(node), bases, len(bases) == len(refs) > 0)
        self.bind(node.name, local)
        self.classes.append(local)
        self.attributes.append(self.self_attributes(node))
        self.scopes.append({})
        self.visit_all(node.body)
        self.scopes.pop()
        self.attributes.pop()
        self.classes.pop()

    def self_attributes(self, node: ast.ClassDef) -> dict[str, Ref | None]:
        """What `self.x` refers to, for attributes that are only set to instances of one class."""
        found: dict[str, Ref | None] = {}
        for inner in ast.walk(node):
            if isinstance(inner, ast.Assign):
                targets, ref = inner.targets, instance_of(self.resolve(inner.value))
            elif isinstance(inner, ast.AnnAssign):
                targets, ref = [inner.target], self.annotated(inner.annotation)
            else:
                continue
            for target in targets:
                if (
                    isinstance(target, ast.Attribute)
                    and isinstance(target.value, ast.Name)
                    and target.value.id == 'self'
                ):
                    found[target.attr] = ref if found.get(target.attr, ref) == ref else None
        return found

    def visit_Assign(self, node: ast.Assign) -> None:
        self.visit_all([node.value, *node.targets])
        ref = self.resolve(node.value)
        for target in node.targets:
            if isinstance(target, ast.Name):
                self.bind(target.id, ref)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        self.visit_all([part for part in (node.value, node.target) if part is not None])
        if isinstance(node.target, ast.Name):
            self.bind(node.target.id, self.annotated(node.annotation))

    def visit_Name(self, node: ast.Name) -> None:
        if isinstance(node.ctx, ast.Store):
            self.bind(node.id, CONVENTIONS.get(node.id))
        elif not any(node.id in scope for scope in self.scopes) and not self.names.has('builtins', node.id):
            self.complain(node, f'Python has no built-in {node.id}')

    def look_up(self, name: str) -> Ref | None:
        for scope in reversed(self.scopes):
            if name in scope:
                return scope[name]
        return CONVENTIONS.get(name)

    def resolve(self, node: ast.expr) -> Ref | None:
        """What an expression refers to, None if it is not known."""
        if isinstance(node, ast.Name):
            return self.look_up(node.id)
        if isinstance(node, ast.Call):
            if isinstance(node.func, ast.Name) and node.func.id == 'super' and self.classes:
                return LocalInstance(self.classes[-1], skip_own=True)
            called = self.resolve(node.func)
            return instance_of(called) if isinstance(called, (Class, LocalClass)) else None
        if isinstance(node, ast.Attribute):
            return self.resolve_attribute(node) or CONVENTIONS.get(node.attr)
        return None

    def resolve_attribute(self, node: ast.Attribute) -> Ref | None:
        owner = self.resolve(node.value)
        if isinstance(owner, Module):
            return self.names.ref(owner.name, node.attr)
        if isinstance(owner, Class):
            return self.names.member(owner, node.attr)[1]
        if isinstance(owner, Instance):
            ref = self.names.member(owner.of, node.attr)[1]
            return bound(ref) if isinstance(ref, Function) else ref
        if isinstance(owner, LocalInstance):
            if node.attr in owner.of.own and not owner.skip_own:
                return self.attributes[-1].get(node.attr) if self.attributes else None
            for base in owner.of.bases:
                ref = self.names.member(base, node.attr)[1]
                if ref is not None:
                    return bound(ref) if isinstance(ref, Function) else ref
        return None

    def visit_Attribute(self, node: ast.Attribute) -> None:
        self.visit(node.value)
        if not isinstance(node.ctx, ast.Load):
            return
        owner = self.resolve(node.value)
        if isinstance(owner, Module):
            if self.names.lists(owner.name) and not self.names.has(owner.name, node.attr):
                self.complain(node, f'{owner.name} has no {node.attr}')
        elif isinstance(owner, (Class, Instance)):
            kind = owner if isinstance(owner, Class) else owner.of
            self.check_members(node, [kind], True)
        elif isinstance(owner, LocalInstance) and (owner.skip_own or node.attr not in owner.of.own):
            self.check_members(node, owner.of.bases, owner.of.all_known)

    def check_members(self, node: ast.Attribute, classes: Sequence[Class], all_known: bool) -> None:
        lineages = [self.names.lineage(kind) for kind in classes]
        if not classes or not all_known or not all(complete for _lineage, complete in lineages):
            return
        if any(self.names.member(kind, node.attr)[0] for kind in classes) or hasattr(object, node.attr):
            return
        # The list has all members of Qt's classes. Of Calibre's it lacks those that are only set on instances, so a
        # member counts as newer only if the class has it in the running Calibre.
        all_of_qt = all(ancestor.module == QT for lineage, _complete in lineages for ancestor in lineage)
        if all_of_qt or any(self.installed(kind, node.attr) for kind in classes):
            self.complain(node, f'{" and ".join(map(str, classes))} has no {node.attr}')

    def visit_Call(self, node: ast.Call) -> None:
        self.generic_visit(node)
        called = self.resolve(node.func)
        if isinstance(called, Class) and called.module != QT:
            called = self.names.member(called, '__init__')[1]
            called = bound(called) if isinstance(called, Function) else None
        if isinstance(called, Function):
            self.check_arguments(node, called)

    def check_arguments(self, node: ast.Call, function: Function) -> None:
        plain = [name for name in function.arguments if not name.startswith('*')]
        takes_keywords = any(name.startswith('**') for name in function.arguments)
        for keyword in node.keywords:
            if keyword.arg and keyword.arg not in plain and not takes_keywords:
                self.complain(node, f'{function.name} has no argument {keyword.arg}')
        starred = any(isinstance(argument, ast.Starred) for argument in node.args)
        takes_all = any(name.startswith('*') and not name.startswith('**') for name in function.arguments)
        if len(node.args) > len(plain) and not starred and not takes_all:
            self.complain(node, f'{function.name} takes {len(plain)} positional arguments, not {len(node.args)}')


def instance_of(ref: Ref | None) -> Ref | None:
    if isinstance(ref, Class):
        return Instance(ref)
    if isinstance(ref, LocalClass):
        return LocalInstance(ref)
    return ref if isinstance(ref, (Instance, LocalInstance)) else None


def newer_f_strings(source: str) -> Iterator[int]:
    """The lines of f-strings that only Python 3.12 and later can parse. In earlier ones they are syntax errors."""
    if sys.version_info < (3, 12):
        return
    open_quotes: list[str] = []
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        inside = bool(open_quotes)
        if token.type == tokenize.FSTRING_START:
            quote = token.string.lstrip('fFrRbBuU')
            if quote in open_quotes:
                yield token.start[0]
            open_quotes.append(quote)
        elif token.type == tokenize.FSTRING_END:
            open_quotes.pop()
        elif inside and token.type != tokenize.FSTRING_MIDDLE:
            reused = any(quote in token.string for quote in open_quotes)
            if reused or token.type == tokenize.COMMENT or '\\' in token.string:
                yield token.start[0]


def check(source: str, file: str, names: Names, installed: Callable[[Class, str], bool] = installed_has) -> list[str]:
    """One sentence for every name and syntax in the source that Calibre 6.2.1, Qt 6.3 or Python 3.10 did not have."""
    try:
        tree = ast.parse(source, file, feature_version=(3, 10))
    except SyntaxError as error:
        return [f'{file}:{error.lineno}: Python 3.10 cannot read this: {error.msg}']
    checker = Checker(names, file, installed)
    checker.visit(tree)
    f_strings = [f'{file}:{line}: Python 3.10 cannot read this f-string' for line in newer_f_strings(source)]
    return checker.problems + f_strings
