import java.io.ObjectInputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.HexFormat;

/** Reads an offsets file as FileOffsetBackingStore does: one line an entry, key and value in hex. */
class OffsetsFile {
    public static void main(String[] arguments) throws Exception {
        try (var in = new ObjectInputStream(Files.newInputStream(Path.of(arguments[0])))) {
            var map = (HashMap<?, ?>) in.readObject();
            map.forEach((key, value) -> System.out.println(hex(key) + " " + hex(value)));
        }
    }

    private static String hex(Object bytes) {
        return bytes == null ? "null" : HexFormat.of().formatHex((byte[]) bytes);
    }
}
