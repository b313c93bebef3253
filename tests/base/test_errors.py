"""Every sentence that an error tells: that it says what to do, is used, is filled in, and survives its translations."""

from __future__ import annotations

import ast
import re
import string
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
from build_zip import module_files
from calibre_plugins.bookfusionbacksync.base import errors
from calibre_plugins.bookfusionbacksync.base.errors import BackSyncError, Cancelled
from calibre_plugins.bookfusionbacksync.base.text import Text, counted, text
from harness.start import ROOT

SENTENCES = {name: value for name, value in vars(errors).items() if isinstance(value, Text)}
# What is asked of people, each the first word of a sentence.
VERBS = frozenset(
    'Change Check Choose Close Copy Correct Create Enter Give Load Look Make Remove Report Run Save Sign Start Try '
    'Wait Write'.split()
)
# Whoever stopped a job wants to know what became of it; there is nothing left to do.
NOTHING_TO_DO = {'CANCELLED', 'CANCELLED_KEPT'}
MODULES = {name: ast.parse(path.read_text(encoding='utf-8')) for name, path in module_files(ROOT).items()}


def placeholders(template: str) -> set[str]:
    return {name for _text, name, _format, _conversion in string.Formatter().parse(template) if name is not None}


def sample(sentence: Text) -> Text:
    """The sentence, filled in with something."""
    return sentence.with_values(**{name: f'<{name}>' for name in placeholders(sentence.template)})


@pytest.mark.parametrize('name', sorted(SENTENCES.keys() - NOTHING_TO_DO))
def test_says_what_to_do(name: str) -> None:
    """First what happened, then what to do about it: one of a list of verbs begins a sentence after the first."""
    parts = str(sample(SENTENCES[name])).split('. ')
    assert len(parts) > 1, 'nothing follows the statement'
    assert VERBS & {part.split()[0] for part in parts[1:]}, f'which of these is it that one should do? {parts[1:]}'


@pytest.mark.parametrize('name', SENTENCES)
def test_is_written_like_calibres_own(name: str) -> None:
    template = SENTENCES[name].template
    assert '!' not in template
    assert template.endswith('.')
    assert template[0].isupper() or template.startswith('{')
    assert '  ' not in template
    assert template == template.strip()
    assert len(template) < 300
    words = {word.strip('.,;:()').casefold() for word in template.split()}
    assert not words & {'please', 'sorry', 'oops', 'invalid', 'illegal', 'exception', 'null', 'failed!'}


@pytest.mark.parametrize('name', SENTENCES)
def test_has_named_placeholders(name: str) -> None:
    assert all(one.isidentifier() and one.islower() for one in placeholders(SENTENCES[name].template))
    assert SENTENCES[name].values == {}
    shown = str(sample(SENTENCES[name]))
    assert '{' not in shown
    assert all(f'<{one}>' in shown for one in placeholders(SENTENCES[name].template))


def test_no_two_sentences_are_the_same() -> None:
    templates = [sentence.template for sentence in SENTENCES.values()]
    assert sorted(set(templates)) == sorted(templates)


def names_used(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == 'errors':
            yield node.attr
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            yield node.id


@pytest.mark.parametrize('name', SENTENCES)
def test_is_used(name: str) -> None:
    assert any(name in names_used(tree) for tree in MODULES.values())


def sentence_named(node: ast.expr) -> Text | None:
    """The sentence that `errors.NAME` or, within that room, `NAME` stands for."""
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == 'errors':
        return SENTENCES.get(node.attr)
    return SENTENCES.get(node.id) if isinstance(node, ast.Name) else None


@dataclass(frozen=True)
class Filling:
    """A place where a sentence gets its values."""

    place: str
    sentence: Text
    given: frozenset[str]


def fillings() -> Iterator[Filling]:
    """Every `Error(errors.NAME, ...)` and `errors.NAME.with_values(...)` whose values are written out."""
    for module, tree in MODULES.items():
        for node in ast.walk(tree):
            if not isinstance(node, ast.Call) or any(keyword.arg is None for keyword in node.keywords):
                continue
            if isinstance(node.func, ast.Attribute) and node.func.attr == 'with_values':
                sentence = sentence_named(node.func.value)
            else:
                sentence = sentence_named(node.args[0]) if node.args and is_error(node.func) else None
            if sentence is not None:
                given = frozenset(keyword.arg for keyword in node.keywords if keyword.arg)
                yield Filling(f'{module}:{node.lineno}', sentence, given)


def is_error(node: ast.expr) -> bool:
    """Whether this is what makes an error: its class, or the class above it when it makes itself."""
    if isinstance(node, ast.Attribute) and node.attr == '__init__':
        return True
    name = node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ''
    found = getattr(errors, name, None)
    return isinstance(found, type) and issubclass(found, BackSyncError)


FILLINGS = list(fillings())


@pytest.mark.parametrize('filling', FILLINGS, ids=lambda filling: filling.place)
def test_every_placeholder_is_filled_where_it_is_raised(filling: Filling) -> None:
    assert filling.given == placeholders(filling.sentence.template)


def test_the_places_were_found() -> None:
    found = {filling.sentence.template for filling in FILLINGS}
    missing = {name for name, sentence in SENTENCES.items() if sentence.template not in found}
    assert len(FILLINGS) > len(SENTENCES)
    assert missing <= NOTHING_TO_DO, missing


def comparisons_of_sentences(tree: ast.AST) -> list[int]:
    """The lines where errors are told apart by their sentences: `error.sentence == ...`, `... in (errors.NAME,)`."""
    return [
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.Compare)
        and any(
            isinstance(part, ast.Attribute) and (part.attr == 'sentence' or sentence_named(part) is not None)
            for part in ast.walk(node)
        )
    ]


def sentences_imported_by_name(tree: ast.AST) -> list[int]:
    """The lines that hide where a sentence is from, so that nobody finds what is done with it."""
    return [
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or '').split('.')[-1] == 'errors'
        for alias in node.names
        if alias.name in SENTENCES
    ]


@pytest.mark.parametrize('module', MODULES)
def test_errors_are_told_apart_by_their_classes(module: str) -> None:
    assert comparisons_of_sentences(MODULES[module]) == []
    assert sentences_imported_by_name(MODULES[module]) == []


@pytest.mark.parametrize(
    'source',
    [
        'error.sentence.template == errors.TOO_SLOW.template',
        'error.sentence != other',
        'known in (errors.TOO_SLOW, errors.BROKE_OFF)',
        'from ..base.errors import BackSyncError, TOO_SLOW',
        'from .base.errors import TOO_SLOW',
    ],
)
def test_a_comparison_of_sentences_is_found(source: str) -> None:
    tree = ast.parse(source)
    assert [*comparisons_of_sentences(tree), *sentences_imported_by_name(tree)] == [1]


def broken(template: str) -> Iterator[str]:
    """What a translator may make of the placeholders by mistake."""
    yield template + ' {'
    yield template + ' }'
    yield template + ' {}'
    yield template + ' {0}'
    yield template + ' {nobody}'
    yield template + ' {!r}'
    for name in placeholders(template):
        braced = '{' + name + '}'
        for wrong in (f'{{{name} }}', f'{{{name.title()}}}', f'{{{name}.nothing}}', f'{{{name}[0]}}', f'{{{name}[a]}}'):
            yield template.replace(braced, wrong)
        for wrong in (f'{{{name}!z}}', f'{{{name}:d}}', f'{{{name}:{{nobody}}}}', f'{{{name}', f'{name}}}'):
            yield template.replace(braced, wrong)


def translate(made: str) -> Callable[[str], str]:
    return lambda message: made


def always(made: str) -> Callable[[str, str, int], str]:
    return lambda singular, plural, count: made


def no_plural(singular: str, plural: str, count: int) -> str:
    return singular if count == 1 else plural


@pytest.mark.parametrize('name', SENTENCES)
def test_survives_a_broken_placeholder(name: str) -> None:
    """Shown in English then, whole; a placeholder that merely looks odd may be shown in its translation."""
    sentence = sample(SENTENCES[name])
    nested = sentence.with_values(**{key: text('reason {a}', a=1) for key in sentence.values})
    for made in broken(sentence.template):
        for one in (sentence, nested):
            shown = one.translated(translate(made), no_plural)
            harmless = '[0]' in made
            assert shown == str(one) or harmless, made
            assert shown


@pytest.mark.parametrize('name', SENTENCES)
def test_is_translated(name: str) -> None:
    sentence = sample(SENTENCES[name])
    assert sentence.translated(lambda message: 'Nur dies.', no_plural) == 'Nur dies.'
    turned = sentence.translated(lambda message: 'Zuerst: ' + message, no_plural)
    assert turned == f'Zuerst: {sentence}'


def test_values_that_are_sentences_are_translated_too() -> None:
    sentence = errors.NOT_REACHED.with_values(service='BookFusion', reason=text('no answer'))
    words = {'no answer': 'keine Antwort'}
    assert '(keine Antwort)' in sentence.translated(lambda message: words.get(message, message), no_plural)
    assert '(no answer)' in str(sentence)


def test_values_are_never_read_as_placeholders() -> None:
    sentence = errors.BROKE_OFF.with_values(service='{reason}', reason='{service.__class__}')
    assert str(sentence).startswith('The connection to {reason} broke off ({service.__class__}).')


@pytest.mark.parametrize('count', [0, 1, 2])
def test_plurals_survive_too(count: int) -> None:
    sentence = counted('{count} second of {a}', '{count} seconds of {a}', count, a='b')
    english = f'{count} second{"" if count == 1 else "s"} of b'
    assert str(sentence) == english
    for made in ('{count', '{nobody}', '{0}', '{count.nothing}', '{a:d}', '{count!z}'):
        assert sentence.translated(str, always(made)) == english
    assert sentence.translated(str, always('viele')) == 'viele'


def texts_in_code() -> Iterator[tuple[str, list[object]]]:
    """Every `text(...)` and `counted(...)` in the code: the place, and one or two templates.

    What hands on a template that it was given itself has it under that name.
    """
    for module, tree in MODULES.items():
        for node in ast.walk(tree):
            if not isinstance(node, ast.Call) or module == 'base/text.py':
                continue
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, 'id', '')
            parts = node.args[: {'text': 1, 'counted': 2}.get(name, 0)]
            if parts and not (isinstance(parts[0], ast.Name) and parts[0].id == 'template'):
                yield f'{module}:{node.lineno}', [getattr(part, 'value', None) for part in parts]


def test_all_texts_in_the_code_can_be_translated() -> None:
    seen = 0
    for place, forms in texts_in_code():
        seen += 1
        for form in forms:
            assert isinstance(form, str), f'{place}: what translators see must be written out'
            assert '!' not in form, place
            assert all(one.isidentifier() for one in placeholders(form)), place
        if len(forms) == 2:
            assert 'count' in placeholders(str(forms[1])), place
            assert placeholders(str(forms[0])) <= placeholders(str(forms[1])), place
    assert seen > 2 * len(SENTENCES)


@pytest.mark.parametrize(
    ('error', 'code'),
    [
        (errors.ServerTrouble, 1),
        (errors.BadAnswer, 1),
        (errors.ApiGone, 1),
        (errors.LibraryTrouble, 1),
        (errors.SettingsTrouble, 2),
        (errors.SignInRefused, 3),
        (errors.ScopeMissing, 3),
        (errors.Cancelled, 4),
    ],
)
def test_exit_codes(error: type[BackSyncError], code: int) -> None:
    assert error(errors.TOO_SLOW, service='BookFusion').exit_code == code


@pytest.mark.parametrize(
    ('error', 'code'),
    [
        (errors.RedirectedAway('BookFusion', 'login.example'), 1),
        (errors.PasswordMissing(), 2),
        (errors.NoKeyFile(errors.HARDCOVER_KEY_FILE_EMPTY, path='hardcover.token'), 2),
        (errors.PasswordRefused(), 3),
    ],
    ids=repr,
)
def test_exit_codes_of_those_that_bring_their_sentence(error: BackSyncError, code: int) -> None:
    assert error.exit_code == code
    assert '{' not in str(error)


def classes(above: type[BackSyncError] = BackSyncError) -> Iterator[type[BackSyncError]]:
    yield above
    for below in above.__subclasses__():
        yield from classes(below)


def drawn_tree() -> dict[str, tuple[str, int | None]]:
    """Of every class that the docstring draws: the class above it, and the exit code where one is given."""
    found: dict[str, tuple[str, int | None]] = {}
    above: list[str] = []
    for line in (errors.__doc__ or '').splitlines():
        node = re.fullmatch(r'    ((?:[| ]   )*)([|`]-- )?(\w+)(?: \((\d)\))?(?:  .*)?', line)
        if node is not None and (node[2] or not above):
            depth = len(node[1]) // 4 + bool(node[2])
            above[depth:] = [node[3]]
            found[node[3]] = (above[depth - 1] if depth else 'Exception', int(node[4]) if node[4] else None)
    return found


def test_the_tree_is_drawn_as_it_is() -> None:
    """A code that is not given is that of the class above."""
    expected = {
        error.__name__: (
            error.__base__.__name__ if error.__base__ else '',
            error.exit_code if 'exit_code' in vars(error) else None,
        )
        for error in classes()
        if error.__module__ == errors.__name__
    }
    assert drawn_tree() == expected


def test_what_a_cancel_says() -> None:
    assert str(Cancelled()) == 'Cancelled - nothing was written.'
    assert repr(Cancelled()) == "Cancelled('Cancelled - nothing was written.')"
