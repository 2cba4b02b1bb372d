import type { Trouble } from "../api/client";

interface TroubleBannerProps {
  readonly trouble: Trouble;
  readonly onRetry: () => void;
}

export function TroubleBanner({ trouble, onRetry }: TroubleBannerProps) {
  return (
    <div role="alert" className="banner banner--trouble">
      <div className="banner__text">
        <p>{trouble.sentence}</p>
        {trouble.requestId !== null && <p className="banner__detail">Request {trouble.requestId}</p>}
      </div>
      <button type="button" className="button" onClick={onRetry}>
        Try again
      </button>
    </div>
  );
}
