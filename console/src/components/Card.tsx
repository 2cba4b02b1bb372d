import { useId, type ReactNode } from "react";

interface CardProps {
  readonly title: string;
  readonly className?: string;
  readonly children: ReactNode;
}

export function Card({ title, className = "", children }: CardProps) {
  const titleId = useId();
  return (
    <section className={`card ${className}`} aria-labelledby={titleId}>
      <h2 id={titleId}>{title}</h2>
      {children}
    </section>
  );
}
