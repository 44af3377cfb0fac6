import { isHiddenArgs } from "../jobs/hidden";
import type { JobDetail } from "../../api/schema";
import { Icon } from "../../components/Icon";
import { Json } from "../../components/Json";
import { Card } from "../../components/Page";

const HIDDEN = "hidden";
export const isHidden = (job: JobDetail): boolean => isHiddenArgs(job.args) || (job.target as Record<string, unknown> | null)?.[HIDDEN] === true;

/** What a job takes and gives, digit by digit. */
export function Payloads({ job }: { job: JobDetail }) {
  const result = job.result as unknown;
  const checkpoint = job.checkpoint as unknown;
  return (
    <>
      <Card title="Arguments">{isNothing(job.args) ? <span className="dim small">None</span> : <Json value={job.args} label="arguments" />}</Card>
      {(result !== null || job.resultTruncated) && (
        <Card title="Result">
          <div className="stack">
            {job.resultTruncated && <span className="row small"><Icon name="info" size={15} />Only a part was kept: the whole had {kib(job.resultTruncated.bytes)}.</span>}
            <Json value={result} label="result" />
          </div>
        </Card>
      )}
      {checkpoint !== null && <Card title="Checkpoint"><Json value={checkpoint} label="checkpoint" /></Card>}
    </>
  );
}

export function Hidden() {
  return (
    <Card>
      <span className="row small"><Icon name="lock" size={16} /><span>Arguments, results, errors and logs are not shown to viewers here.</span></span>
    </Card>
  );
}

const kib = (bytes: number): string => (bytes < 10_240 ? `${bytes.toLocaleString("en")} bytes` : `${Math.ceil(bytes / 1024).toLocaleString("en")} KiB`);
const isNothing = (args: unknown): boolean => args === null || args === undefined || (typeof args === "object" && Object.keys(args).length === 0);
