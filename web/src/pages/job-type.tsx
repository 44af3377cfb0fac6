import { Button } from "@mantine/core";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { Link, useParams } from "@tanstack/react-router";
import { answer, client } from "../api/client";
import { keys } from "../api/keys";
import { useMe } from "../api/queries";
import type { JobTypeOut } from "../api/schema";
import { ErrorNote } from "../components/ErrorNote";
import { Icon } from "../components/Icon";
import { Json } from "../components/Json";
import { Loading } from "../components/Loading";
import { Card, Fact, Facts, Page } from "../components/Page";
import { askPause } from "../components/PauseDialog";
import { StatusBadge } from "../components/StatusBadge";
import { Time } from "../components/Time";
import { toast, toastError } from "../components/toasts";
import { RunForm } from "./job-types/RunForm";
import { ownerText } from "./job-types/words";

/** One job type: what it runs, with which defaults, and a form to run it now. */
export default function JobType() {
  const name = String(useParams({ strict: false })._splat);
  const { may } = useMe();
  const { data, error, refetch } = useQuery({ queryKey: [...keys.jobTypes(), name], queryFn: ({ signal }) => answer(client.GET("/api/job-types/{name}", { params: { path: { name } }, signal })) });
  return (
    <Page title={name} crumbs={[["/job-types", "Job types"]]} beside={data && <StatusBadge status={data.paused ? "paused" : "active"} />} actions={data && may("pauseJobType") && <PauseButton one={data} />}>
      {error && <ErrorNote error={error} retry={() => void refetch()} />}
      {!data && !error && <Loading />}
      {data && (
        <>
          {data.paused && <Card><span className="row"><Icon name="pause" /><span>Paused <Time at={data.pausedAt} />{data.pausedBy && <> by <b>{data.pausedBy}</b></>}{data.resumeAt && <>, resumes <Time at={data.resumeAt} form="both" /></>}{data.pausedNote && <>: {data.pausedNote}</>}</span></span></Card>}
          {may("triggerJob") && <RunForm one={data} />}
          <Card title="What it is" actions={<Link to="/jobs" search={{ type: name }}>Its jobs</Link>}>
            <Facts>
              <Fact name="Kind">{data.kind}</Fact>
              <Fact name="Declared">{ownerText(data.owner)}</Fact>
              <Fact name="Version">{data.version}</Fact>
              <Fact name="Changed"><Time at={data.updatedAt} form="both" /></Fact>
            </Facts>
          </Card>
          {data.target && <Card title="Target"><Json value={data.target} label="target" /></Card>}
          {Object.keys(data.defaults).length > 0 && <Card title="Defaults of its jobs"><Json value={data.defaults} label="defaults" /></Card>}
          {data.argsSchema != null && <Card title="Schema of the arguments"><Json value={data.argsSchema} label="schema" /></Card>}
        </>
      )}
    </Page>
  );
}

function PauseButton({ one }: { one: JobTypeOut }) {
  const cache = useQueryClient();
  const path = { params: { path: { name: one.name } } };
  const changed = () => void cache.invalidateQueries({ queryKey: keys.jobTypes() });
  const resume = async () => {
    try { await answer(client.POST("/api/job-types/{name}/resume", path)); toast(`${one.name} goes on`); changed(); } catch (error) { toastError(error); }
  };
  const pause = async () => {
    const said = await askPause(`Pause ${one.name}?`, "What runs goes on; no more jobs of this type start, in whatever queue.");
    if (said === null) return;
    try { await answer(client.POST("/api/job-types/{name}/pause", { ...path, body: said })); toast(`${one.name} is paused`, () => void resume()); changed(); } catch (error) { toastError(error); }
  };
  return one.paused
    ? <Button leftSection={<Icon name="play" size={15} />} onClick={() => void resume()}>Resume</Button>
    : <Button variant="default" leftSection={<Icon name="pause" size={15} />} onClick={() => void pause()}>Pause</Button>;
}
