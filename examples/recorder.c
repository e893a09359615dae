/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Records a room: for each participant one Matroska file with picture and sound in sync, as sent.
 *
 *   cc examples/recorder.c -o recorder $(pkg-config --cflags --libs gstreamer-1.0)
 *   GST_PLUGIN_PATH=target/release ./recorder ws://127.0.0.1:8080 lobby recordings
 *
 * Whatever kills this program, the files play up to the last second.
 */

#include <glib-unix.h>
#include <gst/gst.h>
#include <stdio.h>

static GstElement *pipeline, *sfu;
static GMainLoop *loop;
static const gchar *folder = ".";
/* The codecs of those who send only one of picture and sound yet, by kind and participant; and who is recorded. */
static GHashTable *codecs, *recorded;

/* What takes an encoding out of RTP. */
static const gchar *
depayloader (const gchar *codec)
{
  if (g_str_equal (codec, "VP8"))
    return "rtpvp8depay";
  if (g_str_equal (codec, "VP9"))
    return "rtpvp9depay ! vp9parse";
  return g_str_equal (codec, "H264") ? "rtph264depay ! h264parse" : "rtpopusdepay ! opusparse";
}

static void
lead (GstElement *bin, const gchar *kind, const gchar *who)
{
  gchar *name = g_strdup_printf ("%s_%s", kind, who);
  GstElement *first = gst_bin_get_by_name (GST_BIN (bin), kind);
  GstPad *inside = gst_element_get_static_pad (first, "sink");
  GstPad *ghost = gst_ghost_pad_new (kind, inside);
  GstPad *track = gst_element_request_pad_simple (sfu, name);

  gst_pad_set_active (ghost, TRUE);
  gst_element_add_pad (bin, ghost);
  gst_pad_link (track, ghost);
  gst_object_unref (track);
  gst_object_unref (inside);
  gst_object_unref (first);
  g_free (name);
}

/* Puts a muxer and a file behind both tracks of a participant. */
static void
record (const gchar *who, const gchar *video, const gchar *audio)
{
  gchar *text = g_strdup_printf ("matroskamux name=mux offset-to-zero=true ! filesink name=file async=false "
      "identity name=video ! %s ! queue ! mux. identity name=audio ! %s ! queue ! mux.",
      depayloader (video), depayloader (audio));
  GstElement *bin = gst_parse_bin_from_description (text, FALSE, NULL);
  GstElement *file = gst_bin_get_by_name (GST_BIN (bin), "file");
  /* A name of the network is no path. */
  gchar *name = g_strcanon (g_strdup (who), G_CSET_A_2_Z G_CSET_a_2_z G_CSET_DIGITS, '_');
  gchar *path = g_strdup_printf ("%s/%s.mkv", folder, name);

  g_object_set (file, "location", path, NULL);
  g_object_set (bin, "async-handling", TRUE, NULL);
  gst_bin_add (GST_BIN (pipeline), bin);
  gst_element_sync_state_with_parent (bin);
  lead (bin, "video", who);
  lead (bin, "audio", who);
  g_print ("%s is recorded to %s\n", who, path);
  gst_object_unref (file);
  g_free (path);
  g_free (name);
  g_free (text);
}

static void
on_element (GstBus *bus, GstMessage *message, gpointer data)
{
  const GstStructure *told = gst_message_get_structure (message);
  const gchar *who = gst_structure_get_string (told, "participant");
  const gchar *kinds[] = { "video", "audio" }, *found[2];

  if (!gst_structure_has_name (told, "rtcsfu-track-added"))
    return;
  g_hash_table_insert (codecs, g_strdup_printf ("%s_%s", gst_structure_get_string (told, "kind"), who),
      g_strdup (gst_structure_get_string (told, "encoding-name")));
  for (int i = 0; i < 2; i++) {
    gchar *key = g_strdup_printf ("%s_%s", kinds[i], who);
    found[i] = g_hash_table_lookup (codecs, key);
    g_free (key);
  }
  if (found[0] && found[1] && g_hash_table_add (recorded, g_strdup (who)))
    record (who, found[0], found[1]);
}

static void
on_end (GstBus *bus, GstMessage *message, gpointer data)
{
  if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_ERROR)
    gst_printerr ("%" GST_PTR_FORMAT "\n", gst_message_get_structure (message));
  g_main_loop_quit (loop);
}

static gboolean
on_interrupt (gpointer data)
{
  if (g_hash_table_size (recorded) > 0)
    gst_element_send_event (pipeline, gst_event_new_eos ());
  else
    g_main_loop_quit (loop);
  return G_SOURCE_REMOVE;
}

int
main (int argc, char *argv[])
{
  GstBus *bus;

  setvbuf (stdout, NULL, _IOLBF, 0);
  gst_init (&argc, &argv);
  loop = g_main_loop_new (NULL, FALSE);
  codecs = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  recorded = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  folder = argc > 3 ? argv[3] : folder;
  g_mkdir_with_parents (folder, 0777);
  sfu = gst_element_factory_make ("rtcsfu", NULL);
  if (sfu == NULL) {
    g_printerr ("no element rtcsfu: set GST_PLUGIN_PATH to the folder of libgstrtcsfu.so\n");
    return 1;
  }
  g_object_set (sfu, "room", argc > 2 ? argv[2] : "lobby", NULL);
  gst_child_proxy_set (GST_CHILD_PROXY (sfu), "signaller::uri", argc > 1 ? argv[1] : "ws://127.0.0.1:8080", NULL);
  pipeline = gst_pipeline_new ("recorder");
  gst_bin_add (GST_BIN (pipeline), sfu);

  bus = gst_element_get_bus (pipeline);
  gst_bus_add_signal_watch (bus);
  g_signal_connect (bus, "message::element", G_CALLBACK (on_element), NULL);
  g_signal_connect (bus, "message::error", G_CALLBACK (on_end), NULL);
  g_signal_connect (bus, "message::eos", G_CALLBACK (on_end), NULL);
  g_unix_signal_add (SIGINT, on_interrupt, NULL);
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  g_print ("waiting for participants\n");
  g_main_loop_run (loop);

  gst_element_set_state (pipeline, GST_STATE_NULL);
  gst_object_unref (bus);
  gst_object_unref (pipeline);
  return 0;
}
