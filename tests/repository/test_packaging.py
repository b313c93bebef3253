"""The zip: what is in it, that Calibre and Calibre's plugin index can read it, that it is built the same everywhere."""

from __future__ import annotations

import gettext
import io
import re
import shutil
import zipfile
from pathlib import Path

import build_zip
import pytest
from calibre.customize.ui import find_plugin
from calibre.customize.zipplugin import get_resources
from harness.commands import calibre_environment, executable, plugin_command, run
from harness.start import IMPORT_NAME, PLUGIN_NAME, ROOT


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A copy of what the zip is built from."""
    copy = tmp_path / 'repository'
    copy.mkdir()
    build_zip.copy_sources(ROOT, copy)
    return copy


def names(archive: Path) -> list[str]:
    with zipfile.ZipFile(archive) as opened:
        return opened.namelist()


def test_holds_the_listed_files_and_nothing_else(plugin_zip: Path) -> None:
    expected = set(build_zip.module_files(ROOT)) | set(build_zip.PLAIN_FILES) | {'help.md'}
    expected |= {f'images/{path.name}' for path in (ROOT / 'images').glob('*')}
    expected |= {f'translations/{path.stem}.mo' for path in (ROOT / 'translations').glob('*.po')}
    assert sorted(names(plugin_zip)) == sorted(expected)


def test_shipped_sources_are_those_of_the_repository(plugin_zip: Path) -> None:
    with zipfile.ZipFile(plugin_zip) as archive:
        assert archive.testzip() is None
        for name, path in build_zip.module_files(ROOT).items():
            assert archive.read(name) == path.read_bytes()


def test_same_sources_give_the_same_bytes(plugin_zip: Path, repository: Path, tmp_path: Path) -> None:
    again = build_zip.build(tmp_path / 'again.zip', repository)
    assert again.read_bytes() == plugin_zip.read_bytes()


def test_import_name_is_the_promised_one(plugin_zip: Path) -> None:
    assert f'plugin-import-name-{IMPORT_NAME}.txt' in names(plugin_zip)


def test_metadata_are_literals_and_what_calibre_sees() -> None:
    metadata = build_zip.read_metadata(ROOT.joinpath('__init__.py').read_text(encoding='utf-8'))
    plugin = find_plugin(PLUGIN_NAME)
    assert metadata == {field: getattr(plugin, field) for field in build_zip.METADATA}
    assert metadata['name'] == PLUGIN_NAME
    assert metadata['minimum_calibre_version'] == (6, 2, 1)
    version = metadata['version']
    # Calibre offers no update from the original plugin's 0.0.4 to anything below.
    assert isinstance(version, tuple)
    assert version > (0, 0, 4)


def test_changelog_knows_the_version() -> None:
    plugin = find_plugin(PLUGIN_NAME)
    version = '.'.join(map(str, plugin.version))
    assert f'## {version}' in ROOT.joinpath('CHANGELOG.md').read_text(encoding='utf-8')


def test_help_is_the_users_part_of_the_readme(plugin_zip: Path) -> None:
    shipped = get_resources(str(plugin_zip), 'help.md').decode('utf-8')
    assert len(shipped) > 20
    assert '<!--' not in shipped
    assert '![' not in shipped
    first_line = shipped.splitlines()[0]
    assert first_line in ROOT.joinpath('README.md').read_text(encoding='utf-8')


def test_installs_from_the_command_line(tmp_path: Path, plugin_zip: Path) -> None:
    config = tmp_path / 'config'
    config.mkdir()
    with calibre_environment(config) as environment:
        installed = run([executable('calibre-customize'), '-a', str(plugin_zip)], environment, 60)
        assert installed.returncode == 0, installed
        listed = run([executable('calibre-customize'), '-l'], environment, 60)
        version = run(plugin_command('--version'), environment, 60)
    assert PLUGIN_NAME in listed.stdout
    assert version.returncode == 0, version
    assert '.'.join(map(str, find_plugin(PLUGIN_NAME).version)) in version.stdout
    assert sorted(names(config / 'plugins' / f'{PLUGIN_NAME}.zip')) == sorted(names(plugin_zip))


def test_an_unlisted_module_stops_the_build(repository: Path, tmp_path: Path) -> None:
    repository.joinpath('forgotten.py').write_text('')
    with pytest.raises(build_zip.BuildError, match=r'Add to MODULES.*: forgotten'):
        build_zip.build(tmp_path / 'x.zip', repository)
    assert not tmp_path.joinpath('x.zip').exists()


def test_an_unlisted_package_stops_the_build(repository: Path, tmp_path: Path) -> None:
    repository.joinpath('forgotten').mkdir()
    repository.joinpath('forgotten', '__init__.py').write_text('')
    with pytest.raises(build_zip.BuildError, match=r'Add to PACKAGES.*: forgotten'):
        build_zip.build(tmp_path / 'x.zip', repository)


def test_a_new_module_of_a_package_is_shipped(repository: Path, tmp_path: Path) -> None:
    repository.joinpath('base', 'newcomer.py').write_text('')
    assert 'base/newcomer.py' in names(build_zip.build(tmp_path / 'x.zip', repository))


def test_a_missing_module_stops_the_build(repository: Path, tmp_path: Path) -> None:
    repository.joinpath('config.py').unlink()
    with pytest.raises(build_zip.BuildError, match='not there: config'):
        build_zip.build(tmp_path / 'x.zip', repository)


@pytest.mark.parametrize('name', ['LICENSE', 'README.md', f'plugin-import-name-{IMPORT_NAME}.txt'])
def test_a_missing_file_stops_the_build(repository: Path, tmp_path: Path, name: str) -> None:
    repository.joinpath(name).unlink()
    with pytest.raises(build_zip.BuildError, match='Missing in the repository: ' + re.escape(name)):
        build_zip.build(tmp_path / 'x.zip', repository)


def test_what_is_no_image_is_not_shipped_as_one(repository: Path, tmp_path: Path) -> None:
    repository.joinpath('images').mkdir(exist_ok=True)
    repository.joinpath('images', 'notes.txt').write_text('')
    with pytest.raises(build_zip.BuildError, match=r'images/notes\.txt'):
        build_zip.build(tmp_path / 'x.zip', repository)


@pytest.mark.parametrize(
    ('line', 'complaint'),
    [
        ('version = tuple(map(int, "0.1".split(".")))', '`version` .* must be a literal'),
        ('version = VERSION', '`version` .* must be a literal'),
        ('version = "0.1.0"', '`version` .* must be a tuple'),
        ('version = (0, 1, 0)', '`minimum_calibre_version` is missing'),
    ],
)
def test_metadata_that_the_plugin_index_cannot_read_stop_the_build(line: str, complaint: str) -> None:
    source = f'class Plugin:\n    name = "x"\n    author = "x"\n    description = _("x")\n    {line}\n'
    with pytest.raises(build_zip.BuildError, match=complaint):
        build_zip.read_metadata(source)


@pytest.mark.parametrize('readme', ['', 'text', '<!-- help -->', '<!-- /help --> text <!-- help -->'])
def test_a_readme_without_markers_stops_the_build(readme: str) -> None:
    with pytest.raises(build_zip.BuildError, match='markers'):
        build_zip.help_text(readme)


def test_help_drops_what_only_a_web_page_can_show() -> None:
    readme = (
        'a<!-- help -->\n## Use\n![picture](docs/a.png)\nSee [how](docs/b.md), [more](https://x.org).\n<!-- /help -->b'
    )
    assert build_zip.help_text(readme) == '## Use\nSee how, [more](https://x.org).\n'


def test_translations_are_compiled(repository: Path, tmp_path: Path) -> None:
    folder = repository / 'translations'
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    header = 'msgid ""\nmsgstr ""\n"Content-Type: text/plain; charset=UTF-8\\n"\n'
    header += '"Plural-Forms: nplurals=2; plural=(n != 1);\\n"\n\n'
    plural = (
        'msgid "{count} book"\nmsgid_plural "{count} books"\nmsgstr[0] "{count} Buch"\nmsgstr[1] "{count} Bücher"\n'
    )
    folder.joinpath('de.po').write_text(header + 'msgid "Close"\nmsgstr "Schließen"\n\n' + plural, encoding='utf-8')
    archive = build_zip.build(tmp_path / 'x.zip', repository)
    with zipfile.ZipFile(archive) as opened:
        german = gettext.GNUTranslations(io.BytesIO(opened.read('translations/de.mo')))
    assert german.gettext('Close') == 'Schließen'
    assert german.ngettext('{count} book', '{count} books', 2) == '{count} Bücher'


def test_a_broken_translation_stops_the_build(repository: Path, tmp_path: Path) -> None:
    folder = repository / 'translations'
    folder.mkdir(exist_ok=True)
    folder.joinpath('xx.po').write_text('msgid "Close"\nmsgstr "Schließen\n', encoding='utf-8')
    with pytest.raises(build_zip.BuildError, match=r'cannot compile xx\.po'):
        build_zip.build(tmp_path / 'x.zip', repository)


def test_the_builder_says_in_one_line_what_is_wrong(
    repository: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    repository.joinpath('forgotten.py').write_text('')
    monkeypatch.setattr(build_zip, 'ROOT', repository)
    assert build_zip.main([str(repository / 'x.zip')]) == 1
    assert capsys.readouterr().err == 'build_zip: Add to MODULES in tools/build_zip.py: forgotten.\n'
    assert not repository.joinpath('x.zip').exists()
