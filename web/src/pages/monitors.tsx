import { Button, SegmentedControl } from "@mantine/core";
import { useMemo } from "react";
import { useMe } from "../api/queries";
import { Icon } from "../components/Icon";
import { Page } from "../components/Page";
import { useOpened } from "../lib/opened";
import { useSearchParams } from "../lib/search";
import { router } from "../router";
import { usePaletteActions, type PaletteAction } from "../shell/actions";
import { editStatusPage } from "./monitors/EditStatusPage";
import { editCheck } from "./monitors/EditCheck";
import { Channels } from "./monitors/Channels";
import { Checks } from "./monitors/Checks";
import { History } from "./monitors/History";
import { List } from "./monitors/List";
import { Notices } from "./monitors/Notices";
import { Now } from "./monitors/Now";
import { StatusPages } from "./monitors/StatusPages";
import classes from "./monitors/monitors.module.css";

const PARTS = [{ value: "monitors", label: "Monitors" }, { value: "alerts", label: "History" }, { value: "checks", label: "Checks" }, { value: "channels", label: "Channels" }, { value: "notices", label: "Notices" }];
const PAGES = { value: "pages", label: "Status pages" };

/** What is late, failing or down; who is told of it; jobs elsewhere that tell of themselves. */
export default function Monitors() {
  const [params, setParams] = useSearchParams();
  const { may } = useMe();
  const addPage = may("putStatusPage");
  const parts = useMemo(() => (addPage ? [...PARTS, PAGES] : PARTS), [addPage]);
  const part = parts.find((one) => one.value === params["show"])?.value ?? "monitors";
  const add = may("putCheck");
  useOpened(add, () => editCheck(null));
  const offered = useMemo((): readonly PaletteAction[] => [
    ...parts.map(({ value, label }, place) => ({ id: `monitors ${value}`, title: value === "monitors" ? "All monitors" : value === "alerts" ? "History of alerts" : label, group: "Monitors", icon: "monitors" as const, shortcut: String(place + 1), run: () => void router.navigate({ to: "/monitors", search: { show: value } as never }) })),
    ...(add ? [{ id: "add check", title: "Add a check", group: "Monitors", icon: "plus" as const, shortcut: "n", run: () => editCheck(null) }] : []),
    ...(addPage ? [{ id: "add status page", title: "Add a status page", group: "Monitors", icon: "plus" as const, run: () => editStatusPage(null) }] : []),
  ], [add, addPage, parts]);
  usePaletteActions(offered);
  return (
    <Page title="Monitors" lead="What is late, failing or down, and who is told of it" actions={part === "pages" ? addPage && <Button leftSection={<Icon name="plus" size={16} />} onClick={() => editStatusPage(null)}>Add a status page</Button> : add && <Button {...(part === "checks" ? {} : { variant: "default" })} leftSection={<Icon name="plus" size={16} />} onClick={() => editCheck(null)}>Add a check</Button>}>
      <Now />
      <div className={classes.tabs}><SegmentedControl aria-label="What to show" data={parts} value={part} onChange={(show) => setParams({ show }, { push: true })} /></div>
      {part === "monitors" && <List />}
      {part === "alerts" && <History {...(params["monitor"] ? { monitor: params["monitor"] } : {})} />}
      {part === "checks" && <Checks />}
      {part === "channels" && <Channels />}
      {part === "notices" && <Notices />}
      {part === "pages" && <StatusPages />}
    </Page>
  );
}
