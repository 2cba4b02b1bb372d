import { useEffect, useRef, type ReactNode } from "react";
import { useParts } from "../parts";

interface PageTitleProps {
  /** Of the tab; the browser's history shows it too. */
  readonly title: string;
  readonly children?: ReactNode;
}

/** After a step within the console the reader starts here, as after the load of a page. */
export function PageTitle({ title, children = title }: PageTitleProps) {
  const { navigation } = useParts();
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    document.title = `${title} · Doorward`;
    if (navigation.hasMoved) heading.current?.focus();
  }, [title, navigation]);
  return (
    <h1 ref={heading} tabIndex={-1}>
      {children}
    </h1>
  );
}
