"""On which kinds of database a test runs: on both, unless it says otherwise."""

import pytest

ON_SQLITE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
"""Where the kind makes no difference: what is refused before it is asked, for one."""

ON_POSTGRESQL = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
