package io.portafilter.launch;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Supplier;

/**
 * A piece of a launch program's memory: a structure or a table that an operation points at, or a buffer that the
 * kernel writes to. Blocks are told apart by identity, since two buffers of equal content are still two.
 */
public final class Block {

    /** An address inside a block: at {@code offset} stands where {@code target} lies. */
    public record Pointer(int offset, Operand target) {}

    private final Supplier<String> text;
    private final byte[] content;
    private final List<Pointer> pointers;

    private Block(String text, byte[] content, List<Pointer> pointers) {
        this(() -> text, content, pointers);
    }

    private Block(Supplier<String> text, byte[] content, List<Pointer> pointers) {
        this.text = text;
        this.content = content;
        this.pointers = List.copyOf(pointers);
    }

    /** A structure or buffer of fixed bytes, shown in the program's text as {@code text}. */
    public static Block of(String text, byte[] content) {
        return new Block(text, content.clone(), List.of());
    }

    /** A buffer of zeros that the kernel fills. */
    public static Block buffer(String text, int size) {
        return new Block(text, new byte[size], List.of());
    }

    /** A structure of machine words, each of eight bytes. */
    public static Block words(String text, long... words) {
        return words(() -> text, words);
    }

    /** The same, for a text that takes longer to make than the structure; most are never printed. */
    public static Block words(Supplier<String> text, long... words) {
        byte[] content = new byte[words.length * Long.BYTES];
        ByteBuffer bytes = ByteBuffer.wrap(content).order(ByteOrder.LITTLE_ENDIAN);
        for (long word : words) {
            bytes.putLong(word);
        }
        return new Block(text, content, List.of());
    }

    /** A structure with addresses in it. */
    public static Block withPointers(String text, byte[] content, Pointer... pointers) {
        return new Block(text, content.clone(), List.of(pointers));
    }

    /** A list of texts that ends with NULL, as {@code execve(2)} takes it. {@code secret} texts are counted, not shown. */
    public static Block texts(List<String> texts, boolean secret) {
        List<Pointer> pointers = new ArrayList<>();
        for (int i = 0; i < texts.size(); i++) {
            pointers.add(new Pointer(i * Long.BYTES, new Operand.Text(texts.get(i))));
        }
        String shown = secret
                ? "[/* " + texts.size() + " vars */]"
                : texts.stream().map(Operand.Text::quoted).toList().toString();
        return new Block(shown, new byte[(texts.size() + 1) * Long.BYTES], pointers);
    }

    static byte[] terminated(String text) {
        byte[] encoded = text.getBytes(StandardCharsets.UTF_8);
        byte[] bytes = new byte[encoded.length + 1];
        System.arraycopy(encoded, 0, bytes, 0, encoded.length);
        return bytes;
    }

    int size() {
        return content.length;
    }

    void copyTo(byte[] image, int offset) {
        System.arraycopy(content, 0, image, offset, content.length);
    }

    List<Pointer> pointers() {
        return pointers;
    }

    @Override
    public String toString() {
        return text.get();
    }
}
