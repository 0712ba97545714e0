# A hostile process that looks at every other process of its PID namespace as soon as it is there, again and again,
# and writes down what it should never see. Arguments: the capabilities that are allowed (hexadecimal), the seccomp
# mode that all must have, a path that only the host has, and look, seize or hold.
my ($allowed, $mode, $marker, $way) = @ARGV;
$allowed = hex($allowed);
my $seize = $way ne "look";
my (%pids, %seized, %count, %example);
my $mine = $$;
sub found { my ($what, $example) = @_; $count{$what}++; $example{$what} //= $example; }
sub inspect {
  my ($pid, $when) = @_;
  my ($caps, $seccomp) = (0, undef);
  if (open(my $status, "<", "/proc/$pid/status")) {
    while (<$status>) {
      $caps |= hex($1) if /^Cap(?:Prm|Eff|Bnd|Inh|Amb):\s*([0-9a-f]+)/;
      $seccomp = $1 if /^Seccomp:\s*(\d+)/;
    }
    close($status);
  }
  my $excess = $caps & ~$allowed;
  found("capability", sprintf("%s pid %d %x", $when, $pid, $excess)) if $excess;
  found("filter", "$when pid $pid mode $seccomp") if defined $seccomp && $seccomp < $mode;
}
# Who is there already is left alive: it is those to come that are looked at.
opendir($first, "/proc") or die $!;
$seized{$_} = 1 for grep { /^\d+$/ } readdir($first);
closedir($first);
$before = keys %seized;
open($ready, ">", "/orders/ready") && close($ready);
until (-e "/orders/stop") {
  opendir(my $proc, "/proc") or next;
  my @now = grep { /^\d+$/ && $_ != $mine && $_ != 1 } readdir($proc);
  closedir($proc);
  for my $pid (@now) {
    $pids{$pid} = 1;
    found("host file", "pid $pid root") if -e "/proc/$pid/root$marker";
    found("host file", "pid $pid cwd") if -e "/proc/$pid/cwd/../../../../../../../..$marker";
    inspect($pid, "seen");
    if (opendir(my $fds, "/proc/$pid/fd")) {
      for my $fd (grep { /^\d+$/ } readdir($fds)) {
        my $to = readlink("/proc/$pid/fd/$fd") // next;
        # The progress page is open until it is mapped; nobody trusts what it says.
        next if $to =~ m{^/memfd:progress } || $to =~ m{/containers/[0-9a-f]+/progress$};
        found("descriptor", "pid $pid fd $fd $to")
          if $to =~ m{^(/sys/fs/cgroup|/memfd:|/tmp/pf-e2e|net:|mnt:|pid:|user:|ipc:|uts:|cgroup:)};
      }
      closedir($fds);
    }
    # ptrace(PTRACE_SEIZE): what a tracer drives has what it drives with.
    if ($seize && !$seized{$pid} && syscall(101, 0x4206, $pid, 0, 0) == 0) {
      $seized{$pid} = 1;
      inspect($pid, "seized");
      kill(9, $pid);
      # Its tracer must wait for it, or its parent never hears of its end; __WALL. The one who holds does not.
      waitpid($pid, 0x40000000) unless $way eq "hold";
    }
  }
}
print "looked at ", scalar(keys %pids), "\n";
print "seized ", keys(%seized) - $before, "\n";
print "found $_ $count{$_}: $example{$_}\n" for sort keys %count;
