"""Reads what `/metrics` tells as a collector does."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from rota.insight.metrics import METRICS


def samples(text: str) -> Iterator[Sample]:
    """Every sample, of metrics that are listed with just these labels."""
    for family in text_string_to_metric_families(text):
        metric = METRICS.get(family.name) or METRICS[f"{family.name}_total"]
        assert (family.type, family.documentation) == (metric.kind, metric.meaning)
        for sample in family.samples:
            assert set(sample.labels) - {"le"} == set(metric.labels), sample
            yield sample


def numbers(text: str) -> dict[str, float]:
    """Every number, called as a query would: name{label="value",…}."""
    found: dict[str, float] = {}
    for sample in samples(text):
        labels = ",".join(f'{name}="{value}"' for name, value in sample.labels.items())
        name = f"{sample.name}{{{labels}}}" if labels else sample.name
        assert name not in found, f"{name} twice"
        found[name] = sample.value
    return found
