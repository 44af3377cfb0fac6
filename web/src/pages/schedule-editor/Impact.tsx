import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { answer, client } from "../../api/client";
import { ApiError } from "../../api/errors";
import type { EditOut, ScheduleIn } from "../../api/schema";
import { Icon } from "../../components/Icon";
import { Card } from "../../components/Page";
import { jsonText } from "../../lib/exact";
import { useSettled } from "../../lib/settled";
import { plural } from "../../lib/time";
import classes from "./editor.module.css";

/** What saving would do, as the service says; nothing is stored. */
export function useImpact(id: string, body: ScheduleIn, enabled: boolean) {
  const asked = useSettled({ id: id.trim(), body }, 400);
  return useQuery({
    queryKey: ["schedule-impact", asked], enabled: enabled && asked.id !== "", retry: false, placeholderData: keepPreviousData, staleTime: 5000,
    queryFn: async ({ signal }) => (await answer(client.PUT("/api/schedules/{id}", { params: { path: { id: asked.id }, query: { dryRun: true } }, body: { ...asked.body, takeOver: true }, signal }))) as EditOut,
  });
}

/** "Removes 3 and adds 5 runs in the next 7 days; nothing runs now." */
export function Impact({ found, isNew }: { found: ReturnType<typeof useImpact>; isNew: boolean }) {
  const { data, error } = found;
  if (error instanceof ApiError) {
    return <Card title="This cannot be saved yet"><p className="small" style={{ margin: 0 }}><b>{error.field}</b> {error.message}{error.hint && <span className="dim">; {error.hint}</span>}</p></Card>;
  }
  if (!data || (isNew && !data.exists)) return null;
  const { goesCount: goes, comesCount: comes } = data;
  return (
    <Card title={isNew ? "A schedule of this name is there already" : "What saving changes"}>
      <div className="stack">
        {data.changes.length === 0 ? <p className="dim small" style={{ margin: 0 }}>Nothing is different yet.</p> : (
          <>
            <ul className={classes.changes}>
              {data.changes.map((one) => <li key={one.field}><b>{one.field}</b> <del>{short(one.from)}</del> <Icon name="right" size={12} /> <ins>{short(one.to)}</ins></li>)}
            </ul>
            <p className="small" style={{ margin: 0 }}>{goes || comes ? `Removes ${plural(goes, "run")} and adds ${plural(comes, "run")} in the next 7 days; nothing runs now.` : "The next 7 days stay as they are; nothing runs now."}</p>
          </>
        )}
        {data.warnings.map((text) => <p key={text} className={classes.warning}><Icon name="warning" size={15} /> {text}</p>)}
      </div>
    </Card>
  );
}

function short(value: unknown): string {
  if (value === null || value === undefined) return "none";
  const text = typeof value === "string" ? value : jsonText(value, 0);
  return text.length > 120 ? `${text.slice(0, 120)}…` : text;
}
