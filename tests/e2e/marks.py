"""What end-to-end tests need: the parts, and one loop for all, to which browser and processes belong."""

import pytest

IN_ONE_LOOP = pytest.mark.asyncio(loop_scope="session")
WITH_PRODUCT = [pytest.mark.caddy, IN_ONE_LOOP]
WITH_BROWSER = [pytest.mark.browser, *WITH_PRODUCT]
