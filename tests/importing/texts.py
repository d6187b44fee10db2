"""Texts that spreadsheets, CSV and databases are known to trip over."""

from hypothesis import strategies as st

_NASTY = "=+-@'\"\t\r\n,;\\ ＝éß€漢😀'a0."  # noqa: RUF001 - meant
cells = st.one_of(
    st.text(alphabet=_NASTY, max_size=12),
    st.text(alphabet=st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20),
    st.sampled_from(
        ["=1+1", "'=1+1", "''", "@SUM(A1)", "-5", '="x"', "sep=;", '"', "'", "a\r\nb", "a;=1", "\u2028", "null"]
    ),
)
"""Any text a cell may hold that the database can store."""
