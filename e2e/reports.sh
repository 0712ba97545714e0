# Sums up what Surefire wrote. Sourced by bash scripts.
# shellcheck shell=bash

# Prints the names of what failed or was skipped in the given directories of reports; sets `tests`, `passed`, `failed` and
# `skipped`.
# shellcheck disable=SC2034
read_reports() {
  local reports classes
  mapfile -t reports < <(find "$@" -maxdepth 1 -name 'TEST-*.xml' 2>/dev/null | sort)
  if [ ${#reports[@]} -gt 0 ]; then
    awk '
      function attribute(name,  text) {
        if (!match($0, "[ \t]" name "=\"[^\"]*\"")) return ""
        text = substr($0, RSTART, RLENGTH); sub(/^[^"]*"/, "", text); sub(/"$/, "", text); return text
      }
      /<testsuite .* tests="0"/ { print "skipped: " attribute("name") ": the whole class, by what it asks for before all" }
      /<testcase / { test = attribute("classname") "." attribute("name") }
      /<(failure|error)[ >]/ { print "failed: " test }
      /<skipped/ {
        reason = attribute("message")
        if (reason == "" && match($0, /Assumption failed: .*/)) reason = substr($0, RSTART + length("Assumption failed: "))
        print "skipped: " test ": " reason
      }
    ' "${reports[@]}" | sort -u
  fi
  tests=$(total tests "${reports[@]}")
  failed=$(($(total errors "${reports[@]}") + $(total failures "${reports[@]}")))
  skipped=$(total skipped "${reports[@]}")
  passed=$((tests - failed - skipped))
  # A class that is skipped as a whole has no tests in its report: it counts as one.
  classes=$(cat /dev/null "${reports[@]}" | grep -c '<testsuite .* tests="0"' || true)
  skipped=$((skipped + classes))
}

# The sum of an attribute of the test suites.
total() {
  local total=0 number attribute=$1
  shift
  for number in $(cat /dev/null "$@" | tr '\n' ' ' | grep -o '<testsuite [^>]*>' |
    grep -o " $attribute=\"[0-9]*\"" | tr -dc '0-9\n'); do total=$((total + number)); done
  echo $total
}
