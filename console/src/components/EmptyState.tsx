import type { ReactNode } from "react";

interface EmptyStateProps {
  readonly title: string;
  readonly picture?: ReactNode;
  /** The next step. */
  readonly children: ReactNode;
}

export function EmptyState({ title, picture, children }: EmptyStateProps) {
  return (
    <div className="empty">
      {picture}
      <p className="empty__title">{title}</p>
      {children}
    </div>
  );
}
