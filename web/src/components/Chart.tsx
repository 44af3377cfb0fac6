import { Skeleton } from "@mantine/core";
import { lazy, Suspense } from "react";
import type { ChartProps } from "./ChartCanvas";

const Canvas = lazy(() => import("./ChartCanvas"));

/** A chart over time (uPlot, loaded when the first is shown); the numbers behind it are said in `label` for those who do not see it. */
export function Chart(props: ChartProps) {
  return <Suspense fallback={<Skeleton height={props.height ?? 160} radius="md" />}><Canvas {...props} /></Suspense>;
}
