import { ActionIcon, Button, Menu } from "@mantine/core";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { Link, useNavigate } from "@tanstack/react-router";
import { useMemo } from "react";
import { keys } from "../../api/keys";
import { useMe } from "../../api/queries";
import type { ScheduleOut } from "../../api/schema";
import { Icon } from "../../components/Icon";
import { usePaletteActions, type PaletteAction } from "../../shell/actions";
import { deleteSchedule, goLive, pauseSchedules, resumeSchedules, runNow } from "../schedules/actions";
import { ofSchedule } from "./queries";

const ACTIVE = new Set(["pending", "running", "scheduled"]);

/** What can be done with a schedule. */
export function Actions({ schedule, changed, backfill }: { schedule: ScheduleOut; changed: () => void; backfill: () => void }) {
  const { id, paused, shadow } = schedule;
  const { may } = useMe();
  const navigate = useNavigate();
  const cache = useQueryClient();
  const { data: latest } = useQuery(ofSchedule.jobs(id));
  const waiting = latest?.jobs.filter((job) => ACTIVE.has(job.status)).length ?? 0;
  const mayPause = may("pauseSchedule");
  const mayGoLive = shadow && may("goLive");
  const mayRun = may("triggerSchedule");
  usePaletteActions(useMemo(() => [
    ...(mayRun ? [{ id: "schedule-run", title: `Run ${id} now`, group: "This schedule", icon: "bolt", shortcut: "r", run: () => void runNow(id, changed) } satisfies PaletteAction] : []),
    ...(mayPause ? [{ id: "schedule-pause", title: paused ? `Resume ${id}` : `Pause ${id}`, group: "This schedule", icon: paused ? "play" : "pause", shortcut: "p", run: () => void (paused ? resumeSchedules([id], changed) : pauseSchedules([id], changed)) } satisfies PaletteAction] : []),
    ...(mayGoLive ? [{ id: "schedule-live", title: `Let ${id} go live`, group: "This schedule", icon: "check", shortcut: "v", run: () => void goLive([id], changed) } satisfies PaletteAction] : []),
  ], [id, paused, mayRun, mayPause, mayGoLive, changed]));
  const gone = async () => {
    await navigate({ to: "/schedules" }); // first, so that what is gone is not asked again
    cache.removeQueries({ queryKey: keys.schedule(id) });
    changed();
  };
  return (
    <>
      {mayGoLive && <Button leftSection={<Icon name="check" size={15} />} onClick={() => void goLive([id], changed)}>Go live</Button>}
      {mayRun && <Button {...(mayGoLive ? { variant: "default" } : {})} leftSection={<Icon name="bolt" size={15} />} onClick={() => void runNow(id, changed)}>Run now</Button>}
      {mayPause && (paused
        ? <Button variant="default" leftSection={<Icon name="play" size={15} />} onClick={() => void resumeSchedules([id], changed)}>Resume</Button>
        : <Button variant="default" leftSection={<Icon name="pause" size={15} />} onClick={() => void pauseSchedules([id], changed)}>Pause</Button>)}
      {may("putSchedule") && <Button component={Link} to={`/schedules/${encodeURIComponent(id)}/edit`} variant="default" leftSection={<Icon name="edit" size={15} />}>Edit</Button>}
      {(may("backfillSchedule") || may("deleteSchedule")) && (
        <Menu position="bottom-end" withinPortal>
          <Menu.Target><ActionIcon size="lg" variant="default" aria-label="More actions"><Icon name="more" /></ActionIcon></Menu.Target>
          <Menu.Dropdown>
            {may("backfillSchedule") && <Menu.Item leftSection={<Icon name="history" size={15} />} onClick={backfill}>Backfill…</Menu.Item>}
            {may("deleteSchedule") && <Menu.Item color="red" leftSection={<Icon name="trash" size={15} />} onClick={() => void deleteSchedule(schedule, waiting, () => void gone())}>Delete…</Menu.Item>}
          </Menu.Dropdown>
        </Menu>
      )}
    </>
  );
}
