import type { MouseEvent, ReactNode } from "react";
import { pathOf, type Place } from "../navigation/places";
import { useParts } from "../parts";

interface LinkProps {
  readonly to: Place;
  readonly className?: string;
  readonly label?: string;
  readonly isCurrent?: boolean;
  readonly children: ReactNode;
}

/** A real link, so that it opens in a new tab where the user asks for that. */
export function Link({ to, className, label, isCurrent = false, children }: LinkProps) {
  const { navigation } = useParts();
  const follow = (event: MouseEvent) => {
    if (event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    navigation.go(to);
  };
  return (
    <a
      href={pathOf(to)}
      className={className}
      aria-label={label}
      aria-current={isCurrent ? "page" : undefined}
      onClick={follow}
    >
      {children}
    </a>
  );
}
