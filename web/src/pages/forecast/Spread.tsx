import { Button, Group, SegmentedControl, Stack, Text } from "@mantine/core";
import { useQueryClient, type QueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { answer, client } from "../../api/client";
import { useMe } from "../../api/queries";
import type { ScheduleIn } from "../../api/schema";
import { closeDialog, openDialog } from "../../components/dialog";
import { toast, toastError } from "../../components/toasts";
import { plural } from "../../lib/time";
import { bodyOf, draftOf } from "../schedule-editor/draft";

const LENGTHS = [["1m", "1 min"], ["5m", "5 min"], ["15m", "15 min"], ["1h", "1 hour"]].map(([value, label]) => ({ value: value ?? "", label: label ?? "" }));

/** Lets schedules that start together start within some minutes of their time, each always at the same distance. */
export function SpreadButton({ ids }: { ids: readonly string[] }) {
  const cache = useQueryClient();
  const { may } = useMe();
  if (ids.length < 2 || !may("putSchedule")) return null;
  const ask = () => {
    const id = openDialog({
      title: <span className="strong">Spread {plural(ids.length, "schedule")}</span>,
      children: <SpreadForm ids={ids} done={(over) => { closeDialog(id); if (over !== null) void spread(cache, ids, over); }} />,
    });
  };
  return <Button size="compact-xs" variant="default" onClick={ask}>Spread these</Button>;
}

function SpreadForm({ ids, done }: { ids: readonly string[]; done: (over: string | null) => void }) {
  const [over, setOver] = useState("5m");
  return (
    <form onSubmit={(event) => { event.preventDefault(); done(over); }}>
      <Stack gap="md">
        <Text size="sm">They stay due when they are now, and each starts somewhat later: by its jitter, at most so long.</Text>
        <SegmentedControl aria-label="Over how long" fullWidth size="xs" data={LENGTHS} value={over} onChange={setOver} />
        <Text size="sm" c="dimmed">{ids.join(", ")}</Text>
        <Group justify="flex-end" gap="xs">
          <Button variant="default" onClick={() => done(null)}>Cancel</Button>
          <Button type="submit" data-autofocus>Spread</Button>
        </Group>
      </Stack>
    </form>
  );
}

async function spread(cache: QueryClient, ids: readonly string[], over: string): Promise<void> {
  const before = new Map<string, ScheduleIn>();
  for (const id of ids) {
    try {
      const kept = await answer(client.GET("/api/schedules/{id}", { params: { path: { id } } }));
      const draft = draftOf(kept);
      await put(id, bodyOf({ ...draft, more: { ...draft.more, jitter: over } }, kept));
      before.set(id, bodyOf(draft, kept));
    } catch (error) {
      toastError(error); // another owner's, perhaps: the others are spread all the same
    }
  }
  refresh(cache);
  if (before.size) toast(`${plural(before.size, "schedule")} spread over ${over}`, () => void undo(cache, before));
}

async function undo(cache: QueryClient, before: ReadonlyMap<string, ScheduleIn>): Promise<void> {
  for (const [id, body] of before) await put(id, body).catch(toastError);
  refresh(cache);
}

const put = (id: string, body: ScheduleIn) => answer(client.PUT("/api/schedules/{id}", { params: { path: { id } }, body }));

function refresh(cache: QueryClient): void {
  for (const root of ["forecast", "schedules", "schedule"]) void cache.invalidateQueries({ queryKey: [root] });
}
