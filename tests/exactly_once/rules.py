"""The rules of conditional changes, each as a function that raises an error if a database breaks it."""

from collections.abc import Callable
from dataclasses import replace
from typing import Final
from uuid import uuid4

from tests.counters.sessions import act_as, run
from tests.exactly_once.project import CHANGE, Answer, Project, parameters, refused
from tests.postgres import execute, new_user

_AGE: Final = "update idempotency.answers set created_at = now() - %s::interval where user_id = %s"


def a_repeated_change_is_made_once(project: Project) -> None:
    """Answer the repetition as the first request, with the current stats. Keep a change that came in between."""
    deal = project.creates()["id"]
    first = project.changes("update_deal", key="k", p_deal_id=deal, p_changes={"notes": "first"})
    project.changes("update_deal", p_deal_id=deal, p_changes={"notes": "second"})
    project.creates()
    again = project.changes("update_deal", key="k", p_deal_id=deal, p_changes={"notes": "first"})
    assert again["answer"] == first["answer"]
    assert (again["stats"]["all"], again["version"] > first["version"]) == (2, True)
    assert project.deal(deal)["notes"] == "second"


def another_change_with_the_same_key_is_refused(project: Project) -> None:
    """Refuse another function, other arguments and another condition."""
    deal = project.creates()
    arguments = {"p_deal_id": deal["id"], "p_changes": {"notes": "first"}}
    project.changes("update_deal", key="k", **arguments)
    etag = project.deal(deal["id"])["etag"]
    for function, if_match, other in (
        ("update_deal", None, {**arguments, "p_changes": {"notes": "second"}}),
        ("update_deal", [etag], arguments),
        ("delete_deal", None, {"p_deal_id": deal["id"], "p_hard": False}),
    ):
        with refused("PT422", detail="idempotency_key_reused"):
            project.changes(function, key="k", if_match=if_match, **other)
    assert project.deal(deal["id"])["etag"] == etag


def two_requests_at_once_make_one_change(project: Project) -> None:
    """Let the second request wait, and give it the first answer. A second change would find the deal."""
    request = parameters("create_product", key="k", p_product={"title": "Lamp"}, p_deal={})
    with project.two_sessions() as both:
        act_as(project.user_id, *both)
        for session in both:
            run(session, both, CHANGE, *request)
        assert both[1].is_busy, "the second request did not wait"
        both[0].session.commit()
        answer = both[1].outcome()[0]["result"]["answer"]
        both[1].session.commit()
    assert answer["created"] is True


def two_conditional_changes_at_once_overwrite_nothing(project: Project) -> None:
    """Refuse the second of two changes to the same version of a deal, when the first one is committed."""
    deal = project.creates()
    with project.two_sessions() as both:
        act_as(project.user_id, *both)
        for number, session in enumerate(both):
            changes = {"p_deal_id": deal["id"], "p_changes": {"notes": str(number)}}
            run(session, both, CHANGE, *parameters("update_deal", if_match=[deal["etag"]], **changes))
        both[0].session.commit()
        with refused("PT412"):
            both[1].outcome()
    assert project.deal(deal["id"])["notes"] == "0"


def a_refused_change_is_judged_again(project: Project) -> None:
    """Roll back the key of a refused change, so that it is still unused."""
    deal = project.creates()["id"]
    project.changes("delete_deal", p_deal_id=deal, p_hard=False)
    change = {"p_deal_id": deal, "p_changes": {"notes": "x"}}
    with refused("PT410"):
        project.changes("update_deal", key="k", **change)
    project.changes("bulk_deals", p_action="restore", p_deal_ids=[deal])
    assert project.changes("update_deal", key="k", **change)["answer"]["notes"] == "x"


def an_unknown_deal_is_looked_up_again(project: Project) -> None:
    """Store no answer that nothing was found."""
    deal = str(uuid4())
    change: Answer = {"p_deal_id": deal, "p_changes": {"notes": "x"}}
    assert project.changes("update_deal", key="update", **change)["answer"] is None
    assert project.changes("delete_deal", key="delete", p_deal_id=deal, p_hard=False)["answer"] is False
    product = project.creates()["product_id"]
    execute(
        project.administrator,
        "insert into deals (id, user_id, product_id, supplier) values (%s, %s, %s, 'S')",
        deal,
        project.user_id,
        product,
    )
    assert project.changes("update_deal", key="update", **change)["answer"]["notes"] == "x"
    assert project.changes("delete_deal", key="delete", p_deal_id=deal, p_hard=False)["answer"] is True


def a_key_is_valid_for_24_hours(project: Project) -> None:
    """Accept the key for another change after that, and keep it for another 24 hours."""
    deal = project.creates()["id"]

    def sends(notes: str) -> str:
        changed = project.changes("update_deal", key="k", p_deal_id=deal, p_changes={"notes": notes})
        return str(changed["answer"]["notes"])

    sends("first")
    execute(project.administrator, _AGE, "23 hours 59 minutes", project.user_id)
    with refused("PT422"):
        sends("second")
    execute(project.administrator, _AGE, "24 hours 1 minute", project.user_id)
    assert sends("second") == "second"
    sends("second")
    with refused("PT422"):
        sends("first")


def a_purge_removes_only_old_keys(project: Project) -> None:
    """Keep a key that is still valid."""
    deal = project.creates()["id"]
    for key, age in (("old", "25 hours"), ("young", "23 hours")):
        project.changes("update_deal", key=key, p_deal_id=deal, p_changes={"notes": key})
        text = "update idempotency.answers set created_at = now() - %s::interval where key = %s"
        execute(project.administrator, text, age, key)
    purged = execute(project.administrator, "select purge_idempotency_keys(1) as n, purge_idempotency_keys() as rest")
    assert purged == [{"n": {"keys": 1}, "rest": {"keys": 0}}]
    assert [row["key"] for row in execute(project.administrator, "select key from idempotency.answers")] == ["young"]


def the_keys_of_users_are_separate(project: Project) -> None:
    """Let another user use the same key, and let nobody read or write the answers of another user."""
    project.changes("create_product", key="k", p_product={"title": "Mine"}, p_deal={})
    other = replace(project, user_id=new_user(project.administrator))
    theirs = other.changes("create_product", key="k", p_product={"title": "Theirs"}, p_deal={})
    assert theirs["answer"]["deal"]["product"]["title"] == "Theirs"
    for call in ("private.find_answer(%s, 'k', ''::bytea)", "private.store_answer(%s, 'k', ''::bytea, 'true')"):
        with refused("PT403"):
            other.asks(f"select {call}", project.user_id)


def a_key_has_1_to_255_visible_ascii_characters(project: Project) -> None:
    """Refuse other keys, because users can also call the function directly."""
    for key in ("", " ", "two words", "é", "x" * 256, "x\n"):
        with refused("PT422"):
            project.changes("create_product", key=key, p_product={"title": "Lamp"}, p_deal={})
    project.changes("create_product", key="x" * 255, p_product={"title": "Lamp"}, p_deal={})


def a_condition_that_does_not_hold_refuses_the_change(project: Project) -> None:
    """Name the current tag in the refusal and change nothing. Accept the current tag and *."""
    deal = project.creates()
    changes = {"p_deal_id": deal["id"], "p_changes": {"notes": "x"}}
    product = {"p_product_id": deal["product_id"], "p_changes": {"brand": "B"}}
    product_etag = project.asks("select get_product(%s)", deal["product_id"])["etag"]
    for stale in (["0" * 32], []):
        for function, etag, arguments in (
            ("update_deal", deal["etag"], changes),
            ("delete_deal", deal["etag"], {"p_deal_id": deal["id"], "p_hard": True}),
            ("update_product", product_etag, product),
        ):
            with refused("PT412", detail=etag):
                project.changes(function, if_match=stale, **arguments)
    assert project.deal(deal["id"]) == deal
    project.changes("update_product", if_match=["0" * 32, product_etag], **product)
    project.changes("update_deal", if_match=["*"], **changes)


def a_repeated_conditional_change_is_not_compared_again(project: Project) -> None:
    """Answer the repetition, although the change itself has changed the tag."""
    deal = project.creates()
    changes = {"p_deal_id": deal["id"], "p_changes": {"notes": "x"}}
    answers = [project.changes("update_deal", key="k", if_match=[deal["etag"]], **changes) for _ in range(2)]
    assert answers[0] == answers[1]


def what_cannot_be_changed_is_not_compared(project: Project) -> None:
    """Answer for an unknown or a deleted deal as without a condition."""
    deal = project.creates()["id"]
    change: Answer = {"p_changes": {"notes": "x"}, "if_match": ["0" * 32]}
    assert project.changes("update_deal", p_deal_id=str(uuid4()), **change)["answer"] is None
    project.changes("delete_deal", p_deal_id=deal, p_hard=False)
    with refused("PT410"):
        project.changes("update_deal", p_deal_id=deal, **change)


def the_tag_of_a_deal_covers_its_product_and_the_reverse(project: Project) -> None:
    """Change both tags with either document, and none if the values stay the same."""
    deal = project.creates()
    product = project.asks("select get_product(%s)", deal["product_id"])
    project.changes("update_deal", p_deal_id=deal["id"], p_changes={"notes": ""})
    assert project.deal(deal["id"])["etag"] == deal["etag"]
    project.changes("update_product", p_product_id=product["id"], p_changes={"brand": "B"})
    assert project.deal(deal["id"])["etag"] != deal["etag"]
    renamed = project.asks("select get_product(%s)", deal["product_id"])
    project.changes("update_deal", p_deal_id=deal["id"], p_changes={"notes": "x"})
    assert len({product["etag"], renamed["etag"], project.asks("select get_product(%s)", product["id"])["etag"]}) == 3
    listed = project.asks("select list_deals()")["items"][0]
    assert listed == project.deal(deal["id"])


RULES: Final[dict[str, Callable[[Project], None]]] = {
    rule.__name__: rule
    for rule in (
        a_repeated_change_is_made_once,
        another_change_with_the_same_key_is_refused,
        two_requests_at_once_make_one_change,
        two_conditional_changes_at_once_overwrite_nothing,
        a_refused_change_is_judged_again,
        an_unknown_deal_is_looked_up_again,
        a_key_is_valid_for_24_hours,
        a_purge_removes_only_old_keys,
        the_keys_of_users_are_separate,
        a_key_has_1_to_255_visible_ascii_characters,
        a_condition_that_does_not_hold_refuses_the_change,
        a_repeated_conditional_change_is_not_compared_again,
        what_cannot_be_changed_is_not_compared,
        the_tag_of_a_deal_covers_its_product_and_the_reverse,
    )
}
