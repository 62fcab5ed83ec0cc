"""The search page and the admin page: templates, modules and style sheets, no build step."""

from app.web.assets import mount_static
from app.web.page import router

__all__ = ["mount_static", "router"]
