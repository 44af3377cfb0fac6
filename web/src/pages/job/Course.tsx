import type { JobDetail } from "../../api/schema";
import { Duration, Time } from "../../components/Time";
import { lookOf } from "../../components/status";
import classes from "./Course.module.css";

type Step = { name: string; at: string | null; tone: string };
const SOON_MS = 1000;

function stepsOf(job: JobDetail): Step[] {
  const steps: Step[] = [{ name: "Created", at: job.createdAt, tone: "wait" }];
  const isLater = Date.parse(job.runAt) - Date.parse(job.createdAt) > SOON_MS;
  if (isLater) steps.push({ name: job.attempt > 0 && job.status === "scheduled" ? "Next attempt" : job.attempt > 1 ? "Due again" : "Due", at: job.runAt, tone: "later" });
  if (job.startedAt && job.status !== "scheduled" && job.status !== "pending") {
    steps.push({ name: job.attempt > 1 ? `Attempt ${job.attempt} started` : "Started", at: job.startedAt, tone: "busy" });
  }
  if (job.completedAt) steps.push({ name: lookOf(job.status).word, at: job.completedAt, tone: lookOf(job.status).tone });
  return steps;
}

/** The way of a job in time: when it was made, due, started and over, and how long lay between. */
export function Course({ job }: { job: JobDetail }) {
  const steps = stepsOf(job);
  return (
    <ol className={classes.course} aria-label="Times">
      {steps.map((step, index) => {
        const after = steps[index + 1];
        const isNow = !after && (job.status === "running" || job.status === "pending");
        // Between its making and what it is tried again for lie other attempts.
        const isTold = (after || isNow) && step.at && (!after || Date.parse(after.at ?? "") >= Date.parse(step.at)) && !(index === 0 && job.attempt > 1);
        const between = job.status === "running" && !after ? "runs for" : job.status === "pending" && !after ? "waits for" : step.tone === "busy" ? "ran" : job.status === "scheduled" ? "waits" : "waited";
        return (
          <li key={step.name} className={classes.step} data-tone={step.tone}>
            <span className={classes.name}>{step.name}</span>
            <Time at={step.at} />
            <span className="dim tiny"><Time at={step.at} form="local" /></span>
            {isTold && <span className="dim tiny">{between} <Duration from={step.at} to={after?.at ?? null} /></span>}
          </li>
        );
      })}
    </ol>
  );
}
