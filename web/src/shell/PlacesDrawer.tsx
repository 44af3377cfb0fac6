import "../styles-late";
import { Drawer } from "@mantine/core";
import type { ReactNode } from "react";
import { useLateOpened } from "../lib/opened";
import classes from "./Shell.module.css";

/** All places, on a phone. */
export default function PlacesDrawer({ opened, onClose, children }: { opened: boolean; onClose: () => void; children: ReactNode }) {
  return (
    <Drawer opened={useLateOpened(opened)} onClose={onClose} size={270} padding={0} withCloseButton={false} classNames={{ content: classes.drawer ?? "" }} aria-label="All places" zIndex={300}>
      {children}
    </Drawer>
  );
}
