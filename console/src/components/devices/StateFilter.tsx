import { DEVICE_STATES } from "../../devices";
import { usePlace } from "../../navigation/navigation";
import { Link } from "../Link";

// Without a state the server tells of all that have not ended.
const CHOICES = [null, ...DEVICE_STATES] as const;

/** Each filter is an address: it can be kept, shared and gone back from. */
export function StateFilter() {
  const place = usePlace();
  return (
    <nav aria-label="Devices by state">
      <ul className="filters">
        {CHOICES.map((state) => (
          <li key={state}>
            <Link to={{ ...place, deviceState: state }} className="filter" isCurrent={place.deviceState === state}>
              {state ?? "live"}
            </Link>
          </li>
        ))}
      </ul>
    </nav>
  );
}
