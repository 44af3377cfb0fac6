import { Button, Select, Switch, TextInput } from "@mantine/core";
import { useCallback, useMemo, useRef, useState } from "react";
import type { JobDetail } from "../../api/schema";
import { ErrorNote } from "../../components/ErrorNote";
import { Icon } from "../../components/Icon";
import { Card } from "../../components/Page";
import { toast, toastError } from "../../components/toasts";
import { address } from "../../lib/place";
import { countText, plural } from "../../lib/time";
import { firstError, type Narrow } from "./found";
import { LogRow } from "./LogRow";
import { LogView } from "./LogView";
import { useFound } from "./useFound";
import { useLines } from "./useLines";
import classes from "./Log.module.css";

const STREAMS = [{ value: "stdout", label: "stdout" }, { value: "stderr", label: "stderr" }, { value: "log", label: "log" }, { value: "system", label: "system" }];
const NEAR = 100;

/** The log of all attempts: live while it runs, searched by the service, and never more of it in the page than is seen. */
export function Log({ job, isLive }: { job: JobDetail; isLive: boolean }) {
  const { lines, again } = useLines(job.id, isLive);
  const [follow, setFollow] = useState(isLive);
  const [narrow, setNarrow] = useState<Narrow>({});
  const [goto, setGoto] = useState<{ index: number; token: number } | null>(null);
  const place = useRef(0);
  const isNarrow = Object.keys(narrow).length > 0;
  const last = lines?.last ?? 0;
  const { found, more } = useFound(job.id, isNarrow ? narrow : null, last);
  const go = useCallback((n: number) => {
    setFollow(false);
    setNarrow({});
    setGoto((old) => ({ index: n - 1, token: (old?.token ?? 0) + 1 }));
  }, []);
  const narrowTo = (next: Narrow) => { setGoto(null); setNarrow(next); };
  const jump = async () => {
    try {
      const n = await firstError(job.id, AbortSignal.timeout(30_000));
      if (n === null) toast("No line speaks of an error");
      else go(n);
    } catch (error) { toastError(error); }
  };
  const need = useCallback((from: number, to: number) => {
    if (!isNarrow) lines?.need(from + 1, to + 1);
    else if (to >= found.lines.length - NEAR && !found.isAll && found.lines.length > 0) more();
  }, [isNarrow, lines, found, more]);
  const count = isNarrow ? found.lines.length : last;
  const row = (index: number) => {
    if (!isNarrow) return <LogRow key={index} n={index + 1} line={lines?.at(index + 1)} q="" marked={goto?.index === index} />;
    const line = found.lines[index];
    return <LogRow key={index} n={line?.n ?? 0} line={line} q={narrow.q ?? ""} marked={false} onNumber={go} />;
  };
  return (
    <Card title="Log" pad={false} actions={<span className="row small"><a href={address(`/api/jobs/${job.id}/logs/raw`)} download={`${job.id}.log`} className="row"><Icon name="download" size={15} />Raw</a></span>}>
      <div className={classes.log}>
        <Tools job={job} narrow={narrow} setNarrow={narrowTo} jump={() => void jump()} isLive={isLive} follow={follow} setFollow={setFollow} />
        {(lines?.error ?? (isNarrow && found.error)) ? <ErrorNote error={lines?.error ?? found.error} retry={again} /> : null}
        {count === 0 && <p className="dim small" style={{ margin: 0 }} aria-live="polite">{silence(lines?.known ?? false, isNarrow, found.busy, isLive)}</p>}
        {count > 0 && <LogView key={isNarrow ? JSON.stringify(narrow) : "all"} label={`Log of ${job.id}`} count={count} row={row} need={need} follow={follow} setFollow={setFollow} goto={goto} {...(isNarrow ? {} : { place })} />}
        <div className={classes.foot}>
          <span>{isNarrow ? `${plural(found.lines.length, "line")} of ${countText(last)}${found.isAll || found.busy ? "" : " so far"}` : plural(last, "line")}</span>
          {isLive && <span role="status">{lines?.streaming ? "live" : "not live"}</span>}
        </div>
      </div>
    </Card>
  );
}

function silence(known: boolean, isNarrow: boolean, busy: boolean, isLive: boolean): string {
  if (!known || (isNarrow && busy)) return "Reading the log…";
  if (isNarrow) return "No line is like that.";
  return isLive ? "Nothing was written yet; lines appear here as they come." : "It wrote nothing.";
}

type ToolsProps = { job: JobDetail; narrow: Narrow; setNarrow: (narrow: Narrow) => void; jump: () => void; isLive: boolean; follow: boolean; setFollow: (follow: boolean) => void };

function Tools({ job, narrow, setNarrow, jump, isLive, follow, setFollow }: ToolsProps) {
  const [draft, setDraft] = useState("");
  const attempts = useMemo(() => job.attempts.map((one) => ({ value: String(one.attempt), label: `Attempt ${one.attempt}` })), [job.attempts]);
  const set = (part: { [K in keyof Narrow]?: Narrow[K] | undefined }) => {
    setNarrow(Object.fromEntries(Object.entries({ ...narrow, ...part }).filter(([, value]) => value !== undefined)) as Narrow);
  };
  const search = (text: string) => set({ q: text.trim() || undefined });
  return (
    <div className={classes.tools} role="search" aria-label="In the log">
      <TextInput
        className={classes.search} size="xs" aria-label="Search the log" placeholder="Search, Enter" maxLength={500} leftSection={<Icon name="search" size={14} />}
        value={draft} onChange={(event) => setDraft(event.currentTarget.value)} onBlur={() => { if (!draft.trim() && narrow.q) search(""); }}
        onKeyDown={(event) => { if (event.key === "Escape") { setDraft(""); search(""); } else if (event.key === "Enter") search(draft); }}
      />
      {attempts.length > 1 && <Select className={classes.select} size="xs" aria-label="Attempt" placeholder="All attempts" clearable data={attempts} value={narrow.attempt ? String(narrow.attempt) : null} onChange={(said) => set({ attempt: said ? Number(said) : undefined })} />}
      <Select className={classes.select} size="xs" aria-label="Stream" placeholder="All streams" clearable data={STREAMS} value={narrow.stream ?? null} onChange={(said) => set({ stream: (said ?? undefined) as Narrow["stream"] })} />
      <Button size="xs" variant="default" title="The first line that speaks of an error, else the first of stderr" onClick={() => { setDraft(""); jump(); }}>First error</Button>
      {isLive && <Switch size="xs" label="Follow" checked={follow} onChange={(event) => setFollow(event.currentTarget.checked)} />}
    </div>
  );
}
