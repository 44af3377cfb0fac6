import { ActionIcon, Button, Menu } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useMemo } from "react";
import { useMe } from "../../api/queries";
import type { JobDetail } from "../../api/schema";
import { Icon } from "../../components/Icon";
import { usePaletteActions, type PaletteAction } from "../../shell/actions";
import { cancelJob, deleteJob, moveJob, reprioritiseJob, retryJob } from "./actions";
import { editJob } from "./EditForm";

/** What this role may do to the job in the state that it is in. */
export function Actions({ job, hidden }: { job: JobDetail; hidden: boolean }) {
  const cache = useQueryClient();
  const navigate = useNavigate();
  const { may, me } = useMe();
  const { status } = job;
  const hasEnded = job.completedAt !== null;
  const retry = may("retryJob") && (hasEnded || status === "scheduled") ? (hasEnded ? "Retry" : "Run now") : null;
  const cancel = may("cancelJob") && !hasEnded ? (status === "running" && job.cancelRequestedAt ? "Kill" : "Cancel") : null;
  const isOwn = job.jobType === null; // a target of its own: only an admin may change it
  const edit = may("editJob") && !hidden && status !== "running" && status !== "completed" && (!isOwn || me?.role === "admin");
  const remove = may("deleteJob") && status !== "running";
  const offered = useMemo((): readonly PaletteAction[] => [
    ...(retry ? [{ id: "job-retry", title: `${retry} this job`, group: "This job", icon: "retry" as const, shortcut: "r", run: () => void retryJob(cache, job) }] : []),
    ...(cancel ? [{ id: "job-cancel", title: `${cancel} this job`, group: "This job", icon: "stop" as const, shortcut: "x", run: () => void cancelJob(cache, job, cancel === "Kill") }] : []),
    ...(edit ? [{ id: "job-edit", title: "Edit this job", group: "This job", icon: "edit" as const, shortcut: "e", run: () => editJob(cache, job) }] : []),
    // eslint-disable-next-line react-hooks/exhaustive-deps -- made anew when what is offered changes, not with each sign of life
  ], [retry, cancel, edit, job.id, status, cache]);
  usePaletteActions(offered);
  const hasFresh = retry === "Retry" && job.checkpoint !== null && status !== "completed";
  return (
    <>
      {retry && <Button variant={status === "failed" ? "filled" : "default"} leftSection={<Icon name={hasEnded ? "retry" : "play"} size={15} />} onClick={() => void retryJob(cache, job)}>{retry}</Button>}
      {cancel && <Button variant="default" leftSection={<Icon name="stop" size={15} />} onClick={() => void cancelJob(cache, job, cancel === "Kill")}>{cancel}</Button>}
      {(edit || remove || hasFresh) && (
        <Menu position="bottom-end" withinPortal>
          <Menu.Target><ActionIcon variant="default" size="input-sm" aria-label="More actions"><Icon name="more" /></ActionIcon></Menu.Target>
          <Menu.Dropdown>
            {hasFresh && <Menu.Item leftSection={<Icon name="history" size={15} />} onClick={() => void retryJob(cache, job, true)}>Retry from the beginning</Menu.Item>}
            {edit && <Menu.Item leftSection={<Icon name="edit" size={15} />} onClick={() => editJob(cache, job)}>{hasEnded ? "Edit and retry…" : "Edit…"}</Menu.Item>}
            {edit && !hasEnded && <Menu.Item leftSection={<Icon name="bolt" size={15} />} onClick={() => void reprioritiseJob(cache, job)}>Change the priority…</Menu.Item>}
            {edit && !hasEnded && <Menu.Item leftSection={<Icon name="queues" size={15} />} onClick={() => void moveJob(cache, job)}>Move to another queue…</Menu.Item>}
            {remove && <Menu.Item color="red" leftSection={<Icon name="trash" size={15} />} onClick={() => void deleteJob(cache, job, () => void navigate({ to: "/jobs" }))}>Delete…</Menu.Item>}
          </Menu.Dropdown>
        </Menu>
      )}
    </>
  );
}
