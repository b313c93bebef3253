"""Every query and mutation against Hardcover's published schema, and against the limits it sets."""

from __future__ import annotations

from pathlib import Path

import graphql
import pytest
from calibre_plugins.bookfusionbacksync.services.hardcover_operations import ALL, MOST_FIELDS, SCOPES, Kind, Operation
from graphql.language import FieldNode, OperationDefinitionNode, OperationType
from harness.start import ROOT
from standins.hardcover import DEEPEST, SCHEMA_FILE, depth

# Hardcover's whole schema is too large to keep here; where it lies beside the repository, it is used.
PUBLISHED = ROOT.parent / 'shared' / 'facts' / 'hardcover-schema.graphql'
needs_published = pytest.mark.skipif(
    not PUBLISHED.exists(), reason=f"Hardcover's whole schema is not beside the repository, as {PUBLISHED.name}"
)
each_operation = pytest.mark.parametrize('operation', ALL, ids=lambda each: f'{each.name}-{each.units}')


@pytest.fixture(scope='module')
def published() -> graphql.GraphQLSchema:
    return graphql.build_schema(PUBLISHED.read_text(encoding='utf-8'))


@pytest.fixture(scope='module')
def part() -> graphql.GraphQLSchema:
    return graphql.build_schema(SCHEMA_FILE.read_text(encoding='utf-8'))


def definition_of(operation: Operation) -> OperationDefinitionNode:
    (definition,) = graphql.parse(operation.document).definitions
    assert isinstance(definition, OperationDefinitionNode)
    return definition


@needs_published
@each_operation
def test_valid_against_the_whole_schema(operation: Operation, published: graphql.GraphQLSchema) -> None:
    assert graphql.validate(published, graphql.parse(operation.document)) == []


@each_operation
def test_valid_against_the_part(operation: Operation, part: graphql.GraphQLSchema) -> None:
    assert graphql.validate(part, graphql.parse(operation.document)) == []


@each_operation
def test_within_the_limits(operation: Operation) -> None:
    definition = definition_of(operation)
    fields = [node for node in definition.selection_set.selections if isinstance(node, FieldNode)]
    assert tuple((node.alias or node.name).value for node in fields) == operation.fields
    assert 1 <= len(fields) <= MOST_FIELDS
    assert max(depth(node) for node in fields) <= DEEPEST
    assert (definition.operation is OperationType.MUTATION) == (operation.kind is Kind.MUTATION)
    if operation.kind is Kind.SEARCH:
        assert [node.name.value for node in fields] == ['search']
    assert operation.scope in SCOPES
    assert definition.name is not None
    assert definition.name.value == operation.name


@each_operation
def test_error_is_selected_wherever_it_exists(operation: Operation, part: graphql.GraphQLSchema) -> None:
    definition = definition_of(operation)
    roots = {OperationType.QUERY: part.query_type, OperationType.MUTATION: part.mutation_type}
    root = roots[definition.operation]
    assert root is not None
    for node in definition.selection_set.selections:
        assert isinstance(node, FieldNode)
        kind = graphql.get_named_type(root.fields[node.name.value].type)
        if isinstance(kind, graphql.GraphQLObjectType) and 'error' in kind.fields:
            assert node.selection_set is not None
            assert 'error' in [
                child.name.value for child in node.selection_set.selections if isinstance(child, FieldNode)
            ]


@needs_published
def test_the_part_is_a_part(published: graphql.GraphQLSchema, part: graphql.GraphQLSchema) -> None:
    """Every type, field and argument of the part stands in the published schema, with the same types."""
    for name, kind in part.type_map.items():
        if name.startswith('__'):
            continue
        whole = published.type_map[name]
        assert type(whole) is type(kind), name
        if isinstance(kind, graphql.GraphQLEnumType):
            assert isinstance(whole, graphql.GraphQLEnumType)
            assert set(kind.values) <= set(whole.values)
        if not isinstance(kind, graphql.GraphQLObjectType | graphql.GraphQLInputObjectType):
            continue
        assert isinstance(whole, graphql.GraphQLObjectType | graphql.GraphQLInputObjectType)
        for field, about in kind.fields.items():
            its = whole.fields[field]
            assert str(about.type) == str(its.type), f'{name}.{field}'
            if isinstance(about, graphql.GraphQLField):
                assert isinstance(its, graphql.GraphQLField)
                for argument, given in about.args.items():
                    assert str(given.type) == str(its.args[argument].type), f'{name}.{field}({argument})'


def test_the_licence_lies_beside_the_part() -> None:
    assert 'MIT License' in Path(SCHEMA_FILE).with_name('hardcover-schema-part.LICENSE').read_text()
