import type { Trouble } from "../api/client";

interface RefusalProps {
  readonly trouble: Trouble | null;
  /** What to add to the server's sentence. */
  readonly more?: string;
}

/** Why a form was not taken. */
export function Refusal({ trouble, more = "" }: RefusalProps) {
  if (trouble === null) return null;
  return (
    <div role="alert" className="banner banner--refused">
      <div className="banner__text">
        <p>
          {trouble.sentence} {more}
        </p>
        {trouble.requestId !== null && <p className="banner__detail">Request {trouble.requestId}</p>}
      </div>
    </div>
  );
}
