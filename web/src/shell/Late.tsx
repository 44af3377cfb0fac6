import "../styles-late";
import { ModalsProvider } from "@mantine/modals";
import { Notifications } from "@mantine/notifications";
import { useEffect } from "react";
import { lateIsDrawn } from "./late";
import classes from "./Shell.module.css";

/** Where dialogs and toasts appear. */
export default function Late() {
  useEffect(() => lateIsDrawn.set(true), []); // after those of the provider, which listens then
  return <ModalsProvider><Notifications className={classes.toasts} position="bottom-right" limit={4} pauseResetOnHover="notification" /></ModalsProvider>;
}
