"""The database keeps every rule of conditional changes. Without any one part of the SQL, a rule is broken."""

from collections.abc import Iterator
from typing import Final

import psycopg
import pytest

from tests.exactly_once.project import new_project, with_new_user
from tests.exactly_once.rules import RULES
from tests.postgres import MIGRATIONS, PostgresServer, execute, project_sql

_FIRST: Final = next(place for place, file in enumerate(MIGRATIONS) if file.stem.endswith("_entity_tags"))

_COMPARED_FIRST: Final = """
    perform private.require_match(p_if_match, private.current_etag(v_user_id, p_function, p_arguments));
    v_answer := private.find_answer(v_user_id, p_key, v_digest);
"""

# The part of the SQL that is left out or changed, what replaces it, and the rule that is then broken.
_MUTANTS: Final = (
    ("if v_answer is not null then", "if false then", "a_repeated_change_is_made_once"),
    ("return private.with_stats(v_user_id, v_answer);",
     "return jsonb_build_object('answer', v_answer, 'stats', '{\"all\": 1}'::jsonb, 'version', 1);",
     "a_repeated_change_is_made_once"),
    ("v_found.digest <> p_digest", "false", "another_change_with_the_same_key_is_refused"),
    ("jsonb_build_array(p_function, p_arguments, to_jsonb(p_if_match))", "jsonb_build_array(p_function, p_arguments)",
     "another_change_with_the_same_key_is_refused"),
    ("jsonb_build_array(p_function, p_arguments, to_jsonb(p_if_match))",
     "jsonb_build_array(p_function, to_jsonb(p_if_match))", "another_change_with_the_same_key_is_refused"),
    ("v_user_id constant uuid := private.begin_change();", "v_user_id constant uuid := private.require_user();",
     "two_requests_at_once_make_one_change"),
    ("v_user_id constant uuid := private.begin_change();", "v_user_id constant uuid := private.require_user();",
     "two_conditional_changes_at_once_overwrite_nothing"),
    (" and v_result -> 'answer' not in ('null', 'false')", "", "an_unknown_deal_is_looked_up_again"),
    (" and a.created_at > now() - private.retry_window()", "", "a_key_is_valid_for_24_hours"),
    ("interval '24 hours'", "interval '23 hours'", "a_key_is_valid_for_24_hours"),
    (", created_at = excluded.created_at", "", "a_key_is_valid_for_24_hours"),
    ("set digest = excluded.digest, ", "set ", "a_key_is_valid_for_24_hours"),
    ("a.created_at <= now() - private.retry_window()", "true", "a_purge_removes_only_old_keys"),
    ("a.user_id = p_user_id and a.key = p_key", "a.key = p_key", "the_keys_of_users_are_separate"),
    ("perform counting.require_self(p_user_id);", "", "the_keys_of_users_are_separate"),
    ("p_key !~", "false and p_key !~", "a_key_has_1_to_255_visible_ascii_characters"),
    ("p_etag <> all (p_if_match) and", "false and", "a_condition_that_does_not_hold_refuses_the_change"),
    ("p_etag <> all (p_if_match) and '*' <> all (p_if_match)", "p_etag <> all (p_if_match)",
     "a_condition_that_does_not_hold_refuses_the_change"),
    ("detail = p_etag", "detail = ''", "a_condition_that_does_not_hold_refuses_the_change"),
    ("('update_deal', 'delete_deal')", "('update_deal')", "a_condition_that_does_not_hold_refuses_the_change"),
    ("    v_answer := private.find_answer(v_user_id, p_key, v_digest);",
     _COMPARED_FIRST,
     "a_repeated_conditional_change_is_not_compared_again"),
    ("if p_function = 'update_deal' and", "if false and", "what_cannot_be_changed_is_not_compared"),
    ("md5(p_document::text)", "md5((p_document - 'product')::text)",
     "the_tag_of_a_deal_covers_its_product_and_the_reverse"),
    ("md5(p_document::text)", "md5((p_document - 'deals')::text)",
     "the_tag_of_a_deal_covers_its_product_and_the_reverse"),
)  # fmt: skip


@pytest.fixture(scope="module")
def before(postgres: PostgresServer) -> Iterator[str]:
    """Return the name of a database that is migrated up to the first file about conditional changes."""
    name = "before_conditional_changes"
    with postgres.session() as administrator:
        execute(administrator, f"create database {name} template template0")
        try:
            with postgres.session(database=name) as session:
                execute(session, project_sql())
            postgres.migrate(MIGRATIONS[:_FIRST], database=name)
            yield name
        finally:
            execute(administrator, f"drop database {name} with (force)")


@pytest.fixture(scope="module")
def after(postgres: PostgresServer, before: str) -> Iterator[str]:
    """Return the name of a database with all migrations."""
    with new_project(postgres, template=before) as (name, session):
        postgres.migrate(MIGRATIONS[_FIRST:], database=name)
        session.close()
        yield name


@pytest.mark.parametrize("rule", RULES)
def test_the_database_keeps_the_rule(postgres: PostgresServer, after: str, rule: str) -> None:
    """In a new database."""
    with new_project(postgres, template=after) as (name, session):
        RULES[rule](with_new_user(postgres, name, session))


@pytest.mark.parametrize(("part", "replacement", "rule"), _MUTANTS)
def test_each_part_of_the_sql_is_needed(
    postgres: PostgresServer, before: str, part: str, replacement: str, rule: str
) -> None:
    """The rule is broken when the part is left out or changed."""
    text = [file.read_text() for file in MIGRATIONS[_FIRST:]]
    assert any(part in each for each in text)
    with new_project(postgres, template=before) as (name, session):
        for each in text:
            with session.transaction():
                execute(session, each.replace(part, replacement))
        with pytest.raises((AssertionError, TypeError, psycopg.Error, pytest.fail.Exception)):
            RULES[rule](with_new_user(postgres, name, session))
