"""The command line with the tiny encoder among its models: `python -m tests.models.noongil`."""

from app.cli import main
from models import registry

registry._SCHEMES["tiny"] = "tests.tiny_encoder"

if __name__ == "__main__":
    main()
