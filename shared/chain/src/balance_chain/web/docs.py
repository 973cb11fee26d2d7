"""The page at /docs: an application's OpenAPI document as plain HTML, with no script and nothing from elsewhere."""

from collections.abc import Mapping
from typing import Any

from jinja2 import Environment

_TEMPLATE = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string("""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ title }}: interface</title>
</head>
<body>
<h1>{{ title }}</h1>
<p>Machine-readable: <a href="/openapi.json">OpenAPI document</a>.
Errors are <a href="https://www.rfc-editor.org/rfc/rfc9457">problem details</a>.</p>
{% for operation in operations %}
<h2><code>{{ operation.method }} {{ operation.path }}</code></h2>
<p>{{ operation.summary }}</p>
{% if operation.description %}<p>{{ operation.description }}</p>{% endif %}
{% if operation.parameters %}
<table>
<tr><th>parameter</th><th>in</th><th>required</th><th>meaning</th></tr>
{% for parameter in operation.parameters %}
<tr><td><code>{{ parameter.name }}</code></td><td>{{ parameter.in }}</td>
<td>{{ "yes" if parameter.required else "no" }}</td><td>{{ parameter.description }}</td></tr>
{% endfor %}
</table>
{% endif %}
<p>Answers: {{ operation.answers | join(", ") }}</p>
{% endfor %}
</body>
</html>
""")


def docs_page(openapi: Mapping[str, Any]) -> str:
    """Every operation of the document, in its order."""
    operations = [
        {
            "method": method.upper(),
            "path": path,
            "summary": operation.get("summary", ""),
            "description": operation.get("description", ""),
            "parameters": operation.get("parameters", []),
            "answers": [f"{code} {answer.get('description', '')}" for code, answer in operation["responses"].items()],
        }
        for path, methods in openapi.get("paths", {}).items()
        for method, operation in methods.items()
    ]
    return _TEMPLATE.render(title=openapi["info"]["title"], operations=operations)
