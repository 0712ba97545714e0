package io.portafilter.cli;

import java.util.ArrayList;
import java.util.List;

/** Columns as crictl prints them: at least ten characters wide, three spaces apart, the last one as it is. */
final class Table {
    private final List<List<String>> rows = new ArrayList<>();

    Table(String... titles) {
        rows.add(List.of(titles));
    }

    void row(String... cells) {
        rows.add(List.of(cells));
    }

    @Override
    public String toString() {
        int columns = rows.getFirst().size();
        StringBuilder text = new StringBuilder();
        for (List<String> row : rows) {
            for (int column = 0; column < columns; column++) {
                String cell = row.get(column);
                text.append(cell);
                if (column < columns - 1) {
                    text.append(" ".repeat(width(column) - cell.length()));
                }
            }
            text.append('\n');
        }
        return text.toString();
    }

    private int width(int column) {
        return Math.max(
                10,
                3
                        + rows.stream()
                                .mapToInt(row -> row.get(column).length())
                                .max()
                                .orElse(0));
    }
}
