import sys

from gateway_project.unmarked.code import in_code
from gateway_project.unmarked.templates import in_templates

found = [*in_templates(), *in_code()]
print("\n".join(found))
sys.exit(1 if found else 0)
