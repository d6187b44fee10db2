"""Upstream tests that fail against this engine, by the reason for the difference.

`docs/use-the-engine.md` lists the same differences for users. Every test named here must fail and every other test must
pass. A star in a name matches any text.
"""

from collections.abc import Mapping
from typing import Final

Differences = Mapping[str, tuple[str, ...]]
"""Names of tests by the reason why they fail."""

FLASK_CACHING_STOCK: Final[Differences] = {
    "The test reads internals of SimpleCache: its dictionary, or the type of its serializer.": (
        "tests/test_cachelib.py::test_backend_uses_cachelib_serializer",
        "tests/test_serializer.py::test_default_keeps_the_cachelib_serializer",
        "tests/test_serializer.py::test_values_are_stored_in_the_configured_format",
    ),
}

_CACHE: Final[Differences] = {
    "There are no version keys: they cost a round trip on every hit, and a concurrent miss can undo a delete.": (
        "tests/test_memoize.py::test_memoize_annotated_delete",
        "tests/test_memoize.py::test_memoize_verhash_delete",
        "tests/test_memoize.py::test_memoize_version_key_expires_once_its_entries_have",
        "tests/test_memoize.py::test_memoize_version_key_outlives_newest_entry",
    ),
    "A memoized function calls scripts in Redis, not the public get and set of a subclass of Cache.": (
        "tests/test_subclassing.py::test_delete_memoized_uses_public_delete",
        "tests/test_subclassing.py::test_delete_memoized_verhash_uses_public_delete_many",
        "tests/test_subclassing.py::test_delete_memoized_without_args_uses_public_set_many",
        "tests/test_subclassing.py::test_memoize_uses_public_methods",
    ),
    "Keys of memoized functions are readable: CACHE_HASH_METHOD does not change them, memoize's hash_method does.": (
        "tests/test_hash_method.py::test_configured_hash_method_changes_memoize_key",
    ),
    "An argument without a stable key is a TypeError: another object may later have the same address.": (
        "tests/test_memoize.py::test_memoize_classarg",
    ),
    "A call that the function itself would refuse is a TypeError: this test passes one argument twice.": (
        "tests/test_memoize.py::test_memoize_arg_kwarg_var_keyword",
    ),
    "delete_memoized of a method reached through its class, without the instance, is a TypeError, not a ValueError.": (
        "tests/test_memoize.py::test_memoize_classfunc_delete_with_kwargs_only",
    ),
    "delete_memoized of a class method takes the call's arguments without the class. With the class it works too.": (
        "tests/test_memoize.py::test_memoize_classmethod_delete_with_args",
    ),
}

FLASK_CACHING: Final[Differences] = {
    **FLASK_CACHING_STOCK,
    **_CACHE,
    "CACHE_SERIALIZER is refused at the start: entries are JSON, so reading one can never execute code.": (
        "tests/test_serializer.py::test_class_is_instantiated",
        "tests/test_serializer.py::test_configured_serializer_is_used_for_get_and_set",
        "tests/test_serializer.py::test_instance_is_used_as_is",
        "tests/test_serializer.py::test_serializer_read_from_extension_config",
    ),
    "An entry that the engine did not write is a miss; RedisCache returns its bytes as a value.": (
        "tests/test_backend_cache.py::TestRedisCache::test_compat[*]",
    ),
}

FLASK_CACHING_MIXED: Final[Differences] = {
    **FLASK_CACHING_STOCK,
    **_CACHE,
    "On a backend of Flask-Caching, an entry also holds a version stamp, which delete_memoized(f) invalidates.": (
        "tests/test_view.py::test_make_cache_key_function_property",
    ),
}

CACHELIB: Final[Differences] = {
    "CACHE_OPTIONS takes the engine's own options, such as timeout. Options of redis-py are refused at the start.": (
        "tests/test_redis_cache.py::TestRedisCacheCheckConnection::*",
    ),
}
