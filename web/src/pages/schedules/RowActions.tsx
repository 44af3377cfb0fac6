import { ActionIcon, Menu } from "@mantine/core";
import { useNavigate } from "@tanstack/react-router";
import { useMe } from "../../api/queries";
import type { ListedSchedule } from "../../api/schema";
import { Icon } from "../../components/Icon";
import { goLive, pauseSchedules, resumeSchedules, runNow } from "./actions";

/** What can be done with a schedule from its row. */
export function RowActions({ one, changed }: { one: ListedSchedule; changed: () => void }) {
  const { may } = useMe();
  const navigate = useNavigate();
  return (
    <Menu position="bottom-end" withinPortal>
      <Menu.Target><ActionIcon variant="subtle" color="gray" aria-label={`Actions of ${one.id}`}><Icon name="more" /></ActionIcon></Menu.Target>
      <Menu.Dropdown>
        {may("triggerSchedule") && <Menu.Item leftSection={<Icon name="bolt" size={15} />} onClick={() => void runNow(one.id, changed, true)}>Run now</Menu.Item>}
        {may("pauseSchedule") && (one.paused
          ? <Menu.Item leftSection={<Icon name="play" size={15} />} onClick={() => void resumeSchedules([one.id], changed)}>Resume</Menu.Item>
          : <Menu.Item leftSection={<Icon name="pause" size={15} />} onClick={() => void pauseSchedules([one.id], changed)}>Pause…</Menu.Item>)}
        {one.shadow && may("goLive") && <Menu.Item leftSection={<Icon name="check" size={15} />} onClick={() => void goLive([one.id], changed)}>Go live…</Menu.Item>}
        {may("putSchedule") && <Menu.Item leftSection={<Icon name="edit" size={15} />} onClick={() => void navigate({ to: "/schedules/$id/edit", params: { id: one.id } })}>Edit</Menu.Item>}
      </Menu.Dropdown>
    </Menu>
  );
}
