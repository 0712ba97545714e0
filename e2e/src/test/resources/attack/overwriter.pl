# Looks for processes that still run the runtime's own program, keeps that file open through /proc/PID/exe, and writes to
# it as soon as the kernel lets it. Prints how many such files it kept, opened to write, and wrote to.
my (%before, @kept, $opened, $wrote);
$opened = $wrote = 0;
sub pids { opendir(my $proc, "/proc") or return (); my @all = grep { /^\d+$/ } readdir($proc); closedir($proc); @all }
sub overwrite {
  for my $file (@kept) {
    sysopen(my $writable, "/proc/self/fd/" . fileno($file), 2) or next;
    $opened++;
    $wrote++ if defined syswrite($writable, "overwritten") || truncate($writable, 0);
  }
}
$before{$_} = 1 for (pids(), $$);
open($ready, ">", "/orders/ready") && close($ready);
until (-e "/orders/stop") {
  for my $pid (grep { !$before{$_} } pids()) {
    my $program = readlink("/proc/$pid/exe") // next;
    next unless $program =~ m{^/memfd:};
    open(my $file, "<", "/proc/$pid/exe") or next;
    push @kept, $file if @kept < 200;
    if (@kept == 1) { open(my $told, ">", "/orders/kept") && close($told) }
    $wrote++ if sysopen(my $direct, "/proc/$pid/exe", 2) && defined syswrite($direct, "overwritten");
  }
}
# All of them have ended or become others.
overwrite();
print "kept ", scalar(@kept), "\nopened $opened\nwrote $wrote\n";
