"""Write `deploy/kubernetes/rota.yaml`: what the chart comes to for those who do not use Helm.

It needs `helm-python-sdk`.  A test holds the file to the chart.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

DEPLOY = Path(__file__).parents[1] / "deploy"
CHART = DEPLOY / "helm" / "rota"
FILE = DEPLOY / "kubernetes" / "rota.yaml"
NOTICE = """# Made from deploy/helm/rota by `python -m tools.kubernetes`.
# Put your image in place of `rota:…`, make the secret, then
#   kubectl apply --filename deploy/kubernetes/rota.yaml
# The first time the job that migrates runs beside the rest, which waits for it; delete it before you apply anew.
"""


def text() -> str:
    """Return the manifests of the chart with its own values."""
    helm = import_module("helm_python")  # large, and only this file needs it
    with helm.Chart.load(CHART) as chart:
        rendered = chart.render(name="rota", namespace="rota")
    parts = [body.strip().removeprefix("---").strip() for _, body in sorted(rendered.items()) if body.strip()]
    return NOTICE + "".join(f"---\n{part}\n" for part in parts)


if __name__ == "__main__":
    FILE.write_text(text(), encoding="utf-8", newline="\n")
