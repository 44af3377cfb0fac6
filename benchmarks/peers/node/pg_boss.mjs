// pg-boss: batches of 5,000, ended together; it polls at most twice a second.  Finished jobs stay in the table.
import PgBoss from "pg-boss";
import { main, sql, stamp, url } from "./frame.mjs";

const MANY = 1000;
const BATCH = 5000;

async function started() {
  const boss = new PgBoss({ connectionString: url, supervise: false, schedule: false });
  boss.on("error", console.error);
  await boss.start();
  return boss;
}

main({
  left: "SELECT 1 FROM pgboss.job WHERE state < 'completed' LIMIT 1",
  async prepare() {
    const boss = await started();
    await boss.createQueue("noop");
    await boss.createQueue("stamp");
    await boss.stop({ graceful: false });
    await sql("TRUNCATE pgboss.job");
  },
  async sender() {
    const boss = await started();
    return {
      one: (name, payload) => boss.send(name, payload),
      async fill(count) {
        for (let start = 0; start < count; start += MANY) {
          const some = Math.min(MANY, count - start);
          await boss.insert(Array.from({ length: some }, () => ({ name: "noop", data: {} })));
        }
      },
      close: () => boss.stop({ graceful: false }),
    };
  },
  async work() {
    const boss = await started();
    const options = { batchSize: BATCH, pollingIntervalSeconds: 0.5 };
    let first = true; // within a batch there is no order
    await boss.work("noop", options, async () => {
      if (first) stamp(0);
      first = false;
    });
    await boss.work("stamp", options, async (jobs) => jobs.forEach((job) => stamp(job.data.sent)));
  },
});
