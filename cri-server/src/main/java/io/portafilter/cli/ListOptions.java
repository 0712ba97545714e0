package io.portafilter.cli;

import com.google.protobuf.Message;
import picocli.CommandLine.Option;

/** How a list is printed. */
final class ListOptions {
    enum Form {
        table,
        json
    }

    @Option(
            names = {"-o", "--output"},
            paramLabel = "table|json",
            description = "Columns, or the CRI message as JSON. Default: table.")
    private Form form = Form.table;

    void print(Message message, Table table) {
        System.out.print(
                switch (form) {
                    case table -> table.toString();
                    case json -> MessageJson.of(message);
                });
        System.out.flush();
    }
}
