import { Skeleton } from "@mantine/core";

/** The place of a page that is on its way. */
export function Loading() {
  return (
    <div className="stack" aria-busy="true" aria-label="Loading">
      <Skeleton height={30} width={220} />
      <Skeleton height={90} radius="md" />
      <Skeleton height={320} radius="md" />
    </div>
  );
}
